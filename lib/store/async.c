/* The client for event loops. */
#include "store/async.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct transact {
	store_step *step;
	store_done *done;
	void *arg;
	uint32_t tx;
	unsigned round;
	int rc;		  /* of the last step */
	unsigned waiting; /* requests of this round without an answer */
};

struct request {
	struct request *next; /* in its bucket */
	uint32_t req, type;
	store_done *done;
	void *arg;
	struct transact *transact; /* counts it, or NULL */
};

#define BUCKETS 256 /* by low bits of the request's number: as many as are usually under way */

struct store_async {
	int fd;
	bool dead;
	store_fired *fired;
	void *arg;
	uint32_t req;
	unsigned pending;
	struct request *buckets[BUCKETS];
	struct transact *stepping; /* requests sent now belong to it */
	char *out;
	size_t out_at, out_len, out_size;
	size_t have;
	char in[4 * (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)];
};

struct store_async *store_async_open(int fd, store_fired *fired, void *arg)
{
	struct store_async *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->fd = fd;
	a->fired = fired;
	a->arg = arg;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return a;
}

int store_async_fd(const struct store_async *a)
{
	return a->fd;
}

bool store_async_wants_write(const struct store_async *a)
{
	return a->out_at < a->out_len;
}

unsigned store_async_pending(const struct store_async *a)
{
	return a->pending;
}

/* Room for @len more bytes at the end of the output. */
static char *out_room(struct store_async *a, size_t len)
{
	size_t size = a->out_size ? a->out_size : 4096;
	char *grown;
	if (a->out_at && a->out_at == a->out_len)
		a->out_at = a->out_len = 0;
	if (a->out_at > a->out_size / 2) {
		memmove(a->out, a->out + a->out_at, a->out_len - a->out_at);
		a->out_len -= a->out_at;
		a->out_at = 0;
	}
	while (size - a->out_len < len)
		size *= 2;
	if (size > a->out_size) {
		grown = realloc(a->out, size);
		if (!grown)
			return NULL;
		a->out = grown;
		a->out_size = size;
	}
	return a->out + a->out_len;
}

int store_async_send(struct store_async *a, uint32_t type, uint32_t tx, const struct wire_piece *pieces, unsigned nr,
		     store_done *done, void *arg)
{
	size_t need = wire_pack(NULL, SIZE_MAX, type, 0, tx, pieces, nr);
	struct request *r;
	char *room;
	if (a->dead)
		return EIO;
	if (!need)
		return E2BIG;
	r = calloc(1, sizeof(*r));
	room = r ? out_room(a, need) : NULL;
	if (!room) {
		free(r);
		return ENOMEM;
	}
	r->req = ++a->req;
	r->type = type;
	r->done = done;
	r->arg = arg;
	r->transact = a->stepping;
	if (r->transact)
		r->transact->waiting++;
	r->next = a->buckets[r->req % BUCKETS];
	a->buckets[r->req % BUCKETS] = r;
	a->out_len += wire_pack(room, need, type, r->req, tx, pieces, nr);
	a->pending++;
	return 0;
}

/* A watch that a daemon may know no depth for. */
struct special_watch {
	struct store_async *a;
	char name[32], token[32];
};

static int send_watch(struct store_async *a, const char *name, const char *token, const char *depth, store_done *done,
		      void *arg)
{
	struct wire_piece p[] = { { name, strlen(name) + 1 }, { token, strlen(token) + 1 }, { depth, 2 } };
	return store_async_send(a, XS_WATCH, 0, p, depth ? 3 : 2, done, arg);
}

static void depth_known(void *arg, int err, const char *body, size_t len)
{
	struct special_watch *w = arg;
	if (err == EINVAL)
		send_watch(w->a, w->name, w->token, NULL, NULL, NULL);
	free(w);
}

int store_async_watch_domains(struct store_async *a, const char *name, const char *token)
{
	struct special_watch *w = calloc(1, sizeof(*w));
	int rc;
	if (!w)
		return ENOMEM;
	w->a = a;
	snprintf(w->name, sizeof(w->name), "%s", name);
	snprintf(w->token, sizeof(w->token), "%s", token);
	rc = send_watch(a, w->name, w->token, "1", depth_known, w);
	if (rc)
		free(w);
	return rc;
}

static void transact_next(struct store_async *a, struct transact *t);

static struct request *take_request(struct store_async *a, uint32_t req)
{
	struct request **at = &a->buckets[req % BUCKETS], *r;
	while ((r = *at) && r->req != req)
		at = &r->next;
	if (r) {
		*at = r->next;
		a->pending--;
	}
	return r;
}

static void finish(struct store_async *a, struct request *r, int err, const char *body, size_t len)
{
	struct transact *t = r->transact;
	struct transact *outer = a->stepping;
	/* What the callback of a transaction's request sends belongs to the transaction too. */
	a->stepping = t;
	if (r->done)
		r->done(r->arg, err, body, len);
	a->stepping = outer;
	free(r);
	if (t && !--t->waiting)
		transact_next(a, t);
}

static store_done transact_started, transact_ended;

/* The requests of @t carry a pointer to both: this is what its own START and END get. */
struct transact_arg {
	struct store_async *a;
	struct transact *t;
};

static int transact_send(struct store_async *a, struct transact *t, uint32_t type, const char *word, store_done *done)
{
	struct wire_piece p = { word, strlen(word) + 1 };
	struct transact_arg *arg = malloc(sizeof(*arg));
	struct transact *outer = a->stepping;
	int rc;
	if (!arg)
		return ENOMEM;
	*arg = (struct transact_arg){ a, t };
	a->stepping = NULL;
	rc = store_async_send(a, type, type == XS_TRANSACTION_END ? t->tx : 0, &p, 1, done, arg);
	a->stepping = outer;
	if (rc)
		free(arg);
	return rc;
}

static void transact_finish(struct transact *t, int err)
{
	t->done(t->arg, err, "", 0);
	free(t);
}

/* Everything of the last round was answered: the next one, or the end. */
static void transact_next(struct store_async *a, struct transact *t)
{
	struct transact *outer = a->stepping;
	int rc;
	while (t->rc == STORE_MORE) {
		t->waiting = 1; /* so that it cannot reach 0 inside */
		a->stepping = t;
		t->rc = t->step(t->arg, t->tx, t->round++);
		a->stepping = outer;
		if (--t->waiting)
			return;
	}
	rc = a->dead ? EIO : transact_send(a, t, XS_TRANSACTION_END, t->rc ? "F" : "T", transact_ended);
	if (rc)
		transact_finish(t, rc);
}

static void transact_started(void *arg, int err, const char *body, size_t len)
{
	struct transact_arg x = *(struct transact_arg *)arg;
	uint64_t id;
	free(arg);
	if (!err && !wire_parse_number(body, UINT32_MAX, &id))
		err = EIO;
	if (err) {
		transact_finish(x.t, err);
		return;
	}
	x.t->tx = (uint32_t)id;
	x.t->round = 0;
	x.t->rc = STORE_MORE;
	transact_next(x.a, x.t);
}

static void transact_ended(void *arg, int err, const char *body, size_t len)
{
	struct transact_arg x = *(struct transact_arg *)arg;
	free(arg);
	if (x.t->rc)
		err = x.t->rc;
	else if (err == EAGAIN)
		err = transact_send(x.a, x.t, XS_TRANSACTION_START, "", transact_started);
	else
		goto out;
	if (!err)
		return;
out:
	transact_finish(x.t, err);
}

int store_async_transact(struct store_async *a, store_step *step, store_done *done, void *arg)
{
	struct transact *t = calloc(1, sizeof(*t));
	int rc;
	if (!t)
		return ENOMEM;
	t->step = step;
	t->done = done;
	t->arg = arg;
	rc = transact_send(a, t, XS_TRANSACTION_START, "", transact_started);
	if (rc)
		free(t);
	return rc;
}

/* One message of the input. False: nothing after it can be trusted. */
static bool handle(struct store_async *a, const struct xsd_sockmsg *h, char *body)
{
	const char *words[2];
	struct request *r;
	char after;
	if (h->type == XS_WATCH_EVENT) {
		if (a->fired && wire_split(body, h->len, words, 2) >= 2)
			a->fired(a->arg, words[0], words[1]);
		return true;
	}
	r = take_request(a, h->req_id);
	if (!r)
		return false;
	if (h->type == XS_ERROR) {
		finish(a, r, wire_error_number(body, h->len), NULL, 0);
		return true;
	}
	if (h->type != r->type) {
		finish(a, r, EIO, NULL, 0);
		return false;
	}
	/* The promised NUL overwrites the next message's first byte for a moment. */
	after = body[h->len];
	body[h->len] = '\0';
	finish(a, r, 0, body, h->len);
	body[h->len] = after;
	return true;
}

static int take_input(struct store_async *a)
{
	struct xsd_sockmsg h;
	size_t at = 0;
	int n;
	ssize_t got = read(a->fd, a->in + a->have, sizeof(a->in) - 1 - a->have);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : EIO;
	if (got == 0)
		return EIO;
	a->have += (size_t)got;
	while ((n = wire_peek(a->in + at, a->have - at, &h)) > 0) {
		if (!handle(a, &h, a->in + at + sizeof(h)))
			return EIO;
		at += (size_t)n;
	}
	a->have -= at;
	memmove(a->in, a->in + at, a->have);
	return n < 0 ? EIO : 0;
}

static int give_output(struct store_async *a)
{
	ssize_t n;
	while (a->out_at < a->out_len) {
		n = send(a->fd, a->out + a->out_at, a->out_len - a->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == ENOTSOCK)
			n = write(a->fd, a->out + a->out_at, a->out_len - a->out_at);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : EIO;
		a->out_at += (size_t)n;
	}
	return 0;
}

/* Everything unanswered gets EIO. */
static void fail_all(struct store_async *a)
{
	struct request *r;
	a->dead = true;
	for (unsigned i = 0; i < BUCKETS; i++) {
		while ((r = a->buckets[i])) {
			a->buckets[i] = r->next;
			a->pending--;
			finish(a, r, EIO, NULL, 0);
		}
	}
}

int store_async_ready(struct store_async *a)
{
	int rc = a->dead ? EIO : give_output(a);
	if (!rc)
		rc = take_input(a);
	if (!rc)
		rc = give_output(a);
	if (rc && !a->dead)
		fail_all(a);
	return rc;
}

void store_async_close(struct store_async *a)
{
	fail_all(a);
	close(a->fd);
	free(a->out);
	free(a);
}

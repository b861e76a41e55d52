/* Control: the state of a domain's virtual hardware goes out and comes in as a stream of records. DC-33, DC-34, DC-55. */
#include "abi/hvm_save.h"
#include "control.h"
#include "hv/context.h"
#include "hv/errno.h"
#include "hv/guest.h"
#include "hv/mm.h"
#include "hv/printk.h"
#include "hv/string.h"

#define DESC sizeof(struct hvm_save_descriptor)
#define OVERHEAD (2 * DESC + sizeof(struct hvm_save_header)) /* header and end */
#define FOREIGN_ROOM 65536u				     /* records of others that are only skipped */

static const struct context_record *find_record(uint16_t code)
{
	unsigned nr;
	const struct context_record *r = arch_context_records(&nr);

	for (unsigned i = 0; i < nr; i++)
		if (r[i].code == code)
			return &r[i];
	return NULL;
}

/* Bytes that hold everything @d could have to say. */
static size_t max_size(const struct domain *d)
{
	unsigned nr;
	const struct context_record *r = arch_context_records(&nr);
	size_t size = 0;

	for (unsigned i = 0; i < nr; i++)
		size += r[i].max ? DESC + r[i].max : 0;
	return OVERHEAD + size * d->max_vcpus;
}

static uint8_t *put(uint8_t *at, uint16_t code, unsigned instance, size_t len)
{
	struct hvm_save_descriptor desc = { .typecode = code, .instance = (uint16_t)instance, .length = (uint32_t)len };

	memcpy(at, &desc, sizeof(desc));
	return at + sizeof(desc) + len;
}

/* All records of one kind. */
static uint8_t *put_kind(struct domain *d, const struct context_record *r, uint8_t *at)
{
	for (unsigned i = 0; i < d->max_vcpus && r->max; i++) {
		size_t len = d->vcpu[i] ? r->save(d->vcpu[i], at + DESC) : 0;

		ASSERT(len <= r->max);
		if (len)
			at = put(at, r->code, i, len);
	}
	return at;
}

/* The whole stream at @buf of max_size() bytes; its length. */
static size_t write_stream(struct domain *d, uint8_t *buf)
{
	struct hvm_save_header header;
	unsigned nr;
	const struct context_record *r = arch_context_records(&nr);
	uint8_t *at = buf;

	arch_context_header(d, &header);
	memcpy(at + DESC, &header, sizeof(header));
	at = put(at, HVM_SAVE_CODE_HEADER, 0, sizeof(header));
	for (unsigned i = 0; i < nr; i++)
		at = put_kind(d, &r[i], at);
	at = put(at, HVM_SAVE_CODE_END, 0, 0);
	return (size_t)(at - buf);
}

/* The stream, or with a null buffer how many bytes to offer. -ENOSPC, -ENOMEM, -EFAULT. */
long domctl_get_context(struct domctl *c)
{
	struct xen_domctl_hvmcontext *h = &c->op.u.hvmcontext;
	size_t size = max_size(c->d);
	uint8_t *buf;
	long rc = 0;

	c->copyback = true;
	if (!h->buffer) {
		h->size = (uint32_t)size;
		return 0;
	}
	if (h->size < size)
		return err(-ENOSPC);
	buf = xzalloc_bytes(size);
	if (!buf)
		return err(-ENOMEM);
	size = write_stream(c->d, buf);
	if (copy_to_guest(c->v, h->buffer, buf, size))
		rc = err(-EFAULT);
	h->size = (uint32_t)size;
	xfree(buf);
	return rc;
}

/* One record without its descriptor. -EINVAL no such kind, -ENOENT no such instance, -ENODATA it has nothing to say, -ENOBUFS. */
long domctl_get_context_partial(struct domctl *c)
{
	struct xen_domctl_hvmcontext_partial *h = &c->op.u.hvmcontext_partial;
	const struct context_record *r;
	struct vcpu *v;
	size_t len;
	void *buf;
	long rc = 0;

	if (h->type <= HVM_SAVE_CODE_HEADER || h->type > HVM_SAVE_CODE_MAX)
		return err(-EINVAL);
	r = find_record((uint16_t)h->type);
	v = h->instance < c->d->max_vcpus ? c->d->vcpu[h->instance] : NULL;
	if (!r || !r->max || !v)
		return err(-ENOENT);
	buf = xzalloc_bytes(r->max);
	if (!buf)
		return err(-ENOMEM);
	len = r->save(v, buf);
	if (!len)
		rc = err(-ENODATA);
	else if (h->buffer && h->bufsz < len)
		rc = err(-ENOBUFS);
	else if (h->buffer && copy_to_guest(c->v, h->buffer, buf, len))
		rc = err(-EFAULT);
	xfree(buf);
	if (rc)
		return rc;
	h->bufsz = len;
	c->copyback = true;
	return 0;
}

struct reader {
	const uint8_t *at;
	size_t left;
};

/* The next record; its body is at *@body. -ENODATA when the stream breaks off. */
static int next_record(struct reader *r, struct hvm_save_descriptor *desc, const uint8_t **body)
{
	if (r->left < DESC)
		return err(-ENODATA);
	memcpy(desc, r->at, sizeof(*desc));
	if (desc->length > r->left - DESC)
		return err(-ENODATA);
	*body = r->at + DESC;
	r->at += DESC + desc->length;
	r->left -= DESC + desc->length;
	return 0;
}

/* The header comes first. A stream of another machine is taken, and said to be one. */
static int check_header(const struct domain *d, struct reader *r)
{
	struct hvm_save_header header, ours;
	struct hvm_save_descriptor desc;
	const uint8_t *body;
	int rc = next_record(r, &desc, &body);

	if (rc)
		return rc;
	if (desc.typecode != HVM_SAVE_CODE_HEADER || desc.length != sizeof(header))
		return err(-ENODATA);
	memcpy(&header, body, sizeof(header));
	if (header.magic != HVM_FILE_MAGIC || header.version != HVM_FILE_VERSION)
		return err(-EINVAL);
	arch_context_header(d, &ours);
	if ((header.cpuid ^ ours.cpuid) & ~0xfu)
		printk(LOG_DEBUG, "d%u: state was saved on processor %#x, this is %#x\n", d->id, header.cpuid,
		       ours.cpuid);
	return 0;
}

/* Go through the records, which must come to an end: first to check them all, then to load them. */
static int each_record(struct domain *d, struct reader r, bool load)
{
	for (;;) {
		struct hvm_save_descriptor desc;
		const struct context_record *rec;
		const uint8_t *body;
		struct vcpu *v;
		int rc = next_record(&r, &desc, &body);

		if (rc)
			return rc;
		if (desc.typecode == HVM_SAVE_CODE_END)
			return 0;
		rec = find_record(desc.typecode);
		if (!rec)
			return desc.typecode <= HVM_SAVE_CODE_MAX ? err(-ENODEV) : err(-EINVAL);
		if (!rec->max)
			continue;
		v = desc.instance < d->max_vcpus ? d->vcpu[desc.instance] : NULL;
		if (!v)
			return err(-EINVAL);
		if (load)
			rec->load(v, body, desc.length);
		else
			rc = rec->check(v, body, desc.length);
		if (rc)
			return rc;
	}
}

/*
 * Take the state of a stream: of all it names, or of nothing. -ENODATA: not a whole stream; -EINVAL, -ENODEV: a record no vCPU could
 * be in, or for something that is not here; -ENOMEM, -EFAULT.
 */
long domctl_set_context(struct domctl *c)
{
	const struct xen_domctl_hvmcontext *h = &c->op.u.hvmcontext;
	struct reader r = { .left = h->size };
	uint8_t *buf;
	long rc;

	if (h->size < DESC)
		return err(-ENODATA);
	if (h->size > max_size(c->d) + FOREIGN_ROOM)
		return err(-ENOMEM);
	buf = xzalloc_bytes(h->size);
	if (!buf)
		return err(-ENOMEM);
	r.at = buf;
	rc = copy_from_guest(c->v, buf, h->buffer, h->size);
	if (rc == 0)
		rc = check_header(c->d, &r);
	if (rc == 0)
		rc = each_record(c->d, r, false);
	if (rc == 0)
		rc = each_record(c->d, r, true);
	xfree(buf);
	return rc;
}

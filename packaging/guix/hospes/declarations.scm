;;; What an installed Hospes has to run, as data: no names of any service manager. (hospes services) makes Guix services of it; other systems can
;;; read the same list. packaging/systemd and packaging/sysv are its other two forms.

(define-module (hospes declarations)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-9)
  #:export (declaration? declaration-name declaration-form declaration-requirement declaration-command declaration-host declaration-guest
            declaration-documentation
            declarations needed optional xenfs kernel-modules control-domain xen-name))

;; NAME: a symbol. FORM: mount, daemon (stays in the foreground and serves until it is told to end), once (runs to its end), or domains (a start and
;; a stop command). REQUIREMENT: names that come first. COMMAND: a program below libexec, and its words; of a mount the mount point. HOST, GUEST:
;; whether domain 0 and other domains need it: needed, optional or #f.
(define-record-type <declaration>
  (declaration name form requirement command host guest documentation)
  declaration?
  (name declaration-name)
  (form declaration-form)
  (requirement declaration-requirement)
  (command declaration-command)
  (host declaration-host)
  (guest declaration-guest)
  (documentation declaration-documentation))

(define xen-name "4.17-hospes")

;; Modules of domain 0's kernel.
(define kernel-modules
  '("xen-evtchn" "xen-gntdev" "xen-gntalloc" "xen-privcmd" "xen-blkback" "xen-netback" "xen-pciback"))

(define xenfs "/proc/xen")

;; The program whose success says that daemons of domain 0 shall run here.
(define control-domain '("control-domain"))

(define declarations
  (list
   (declaration 'proc-xen 'mount '() xenfs 'needed 'needed
                "The hypervisor's files, of which some programs of guests tell where they are.")
   (declaration 'xenstored 'daemon '(proc-xen) '("xenstored" "--no-fork" "--pid-file" "/run/xenstore.pid") 'needed #f
                "The store of all domains.")
   (declaration 'xen-init-dom0 'once '(xenstored) '("xen-init-dom0") 'needed #f
                "The records of domain 0.")
   (declaration 'xenconsoled 'daemon '(xenstored) '("xenconsoled" "--interactive" "--pid-file" "/run/xenconsoled.pid") 'needed #f
                "The consoles of domains.")
   (declaration 'hospesd 'daemon '(xenstored xen-init-dom0 xenconsoled) '("hospesd" "--foreground") 'needed #f
                "The owner of domains' lives.")
   (declaration 'xendomains 'domains '(hospesd) '("xendomains") 'optional #f
                "Domains that start and stop with the machine.")
   (declaration 'xen-watchdog 'daemon '(proc-xen) '("xenwatchdogd" "-F" "30" "15") 'optional #f
                "The hypervisor's watchdog, which restarts a machine that hangs.")
   (declaration 'xendriverdomain 'daemon '(proc-xen) '("xl" "devd" "-F") #f 'optional
                "Devices this domain has for others.")
   (declaration 'xen-qemu-dom0-disk-backend 'daemon '(xenstored xen-init-dom0 xenconsoled)
                '("/bin/qemu-system-i386" "-xen-domid" "0" "-xen-attach" "-name" "dom0" "-nographic" "-M" "xenpv" "-monitor" "none"
                  "-serial" "none" "-parallel" "none")
                'optional #f
                "QEMU for disks in formats the kernel does not know.")))

;; What a domain of KIND, declaration-host or declaration-guest, has to run; and what it may.
(define (needed kind)
  (filter (lambda (d) (eq? (kind d) 'needed)) declarations))
(define (optional kind)
  (filter kind declarations))

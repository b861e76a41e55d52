;;; Loads both modules over stand-ins for Guix's, and looks at what an operating-system would get. Argument: where `make install` put a prefix.
(use-modules (srfi srfi-1) (srfi srfi-11) (ice-9 format)
             (gnu services) (gnu services shepherd) (gnu system file-systems)
             (hospes declarations) (hospes services))

(define prefix (cadr (command-line)))
(define (check what ok)
  (unless ok
    (format #t "not so: ~a~%" what)
    (exit 1)))

(define (extension type to config)
  ((assq-ref (service-type-extensions type) to) config))
(define (services type config)
  (extension type 'shepherd config))
(define (names services)
  (append-map shepherd-service-provision services))

;; All requirements of each service come from among those provided, and lead nowhere in a circle.
(define (closed? services)
  (let loop ((left services) (there '(user-processes file-system-/proc/xen)))
    (let-values (((ready waiting)
                  (partition (lambda (s) (every (lambda (r) (memq r there)) (shepherd-service-requirement s))) left)))
      (cond ((null? left) #t)
            ((null? ready) #f)
            (else (loop waiting (append (names ready) there)))))))

;; Each program a service starts or stops with is there and can be run.
(define (programs tree)
  (cond ((and (pair? tree) (eq? (car tree) 'string-append)) (list (apply string-append (map (lambda (x) (if (string? x) x "?")) (cdr tree)))))
        ((pair? tree) (append (programs (car tree)) (programs (cdr tree))))
        (else '())))
(define (runs? service)
  (let ((files (append (programs (shepherd-service-start service)) (programs (shepherd-service-stop service)))))
    (and (pair? files)
         (every (lambda (f) (or (access? f X_OK) (begin (format #t "no program ~a~%" f) #f))) files))))

(define host (hospes-configuration (package prefix)))
(define all (hospes-configuration (package prefix) (qemu prefix) (optional (map declaration-name declarations))))

(check "names are used once"
       (= (length declarations) (length (delete-duplicates (map declaration-name declarations)))))
(check "domain 0 needs its daemons"
       (equal? (names (services hospes-host-service-type host)) '(xenstored xen-init-dom0 xenconsoled hospesd)))
(check "a guest needs no process at all"
       (null? (services hospes-guest-service-type host)))
(check "both see /proc/xen"
       (every (lambda (type) (equal? (map file-system-mount-point (extension type 'file-systems host)) '("/proc/xen")))
              (list hospes-host-service-type hospes-guest-service-type)))
(check "domain 0 may have domains, watchdog and QEMU"
       (lset= eq? (names (services hospes-host-service-type all))
              '(xenstored xen-init-dom0 xenconsoled hospesd xendomains xen-watchdog xen-qemu-dom0-disk-backend)))
(check "a guest may serve devices"
       (equal? (names (services hospes-guest-service-type all)) '(xendriverdomain)))
(for-each
 (lambda (config)
   (for-each (lambda (type)
               (check "requirements are there" (closed? (services type config)))
               (for-each (lambda (s) (check (format #f "~a runs" (shepherd-service-provision s)) (runs? s))) (services type config)))
             (list hospes-host-service-type hospes-guest-service-type)))
 (list host all))
(format #t "~a services declared~%" (length declarations))

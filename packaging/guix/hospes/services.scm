;;; Hospes as services of Guix System: one for domain 0, one for other domains. In an operating-system:
;;;
;;;   (services (cons (service hospes-host-service-type
;;;                            (hospes-configuration (package hospes) (optional '(xendomains xen-watchdog))))
;;;                   %base-services))

(define-module (hospes services)
  #:use-module (gnu services)
  #:use-module (gnu services base)
  #:use-module (gnu services linux)
  #:use-module (gnu services shepherd)
  #:use-module (gnu system file-systems)
  #:use-module (guix gexp)
  #:use-module (guix records)
  #:use-module (srfi srfi-1)
  #:use-module (hospes declarations)
  #:export (hospes-configuration hospes-configuration?
            hospes-host-service-type hospes-guest-service-type))

(define-record-type* <hospes-configuration> hospes-configuration make-hospes-configuration
  hospes-configuration?
  (package hospes-configuration-package)                   ; what `make install PREFIX=...' left
  (qemu hospes-configuration-qemu (default #f))            ; for xen-qemu-dom0-disk-backend
  (optional hospes-configuration-optional (default '())))  ; names of declarations that are not needed, but wanted

;; Those of KIND, declaration-host or declaration-guest, that CONFIG asks for.
(define (wanted kind config)
  (append (needed kind)
          (filter (lambda (d)
                    (and (eq? (kind d) 'optional)
                         (memq (declaration-name d) (hospes-configuration-optional config))))
                  declarations)))

;; The words of PROGRAM: those of QEMU begin below its own package.
(define (words config program)
  (let ((file (car program)))
    (if (string-prefix? "/" file)
        #~(cons (string-append #$(hospes-configuration-qemu config) #$file) '#$(cdr program))
        #~(cons (string-append #$(hospes-configuration-package config) "/lib/xen-" #$xen-name "/bin/" #$file) '#$(cdr program)))))

(define (start-of config d)
  (let ((program (declaration-command d)))
    (case (declaration-form d)
      ((daemon) #~(make-forkexec-constructor #$(words config program)))
      ((once) #~(lambda _ (zero? (apply system* #$(words config program)))))
      ((domains) #~(lambda _ (zero? (apply system* #$(words config (append program '("start"))))))))))

(define (stop-of config d)
  (case (declaration-form d)
    ((daemon)
     ;; The watchdog disarms itself at this signal, and leaves the machine to its fate at others.
     (if (eq? (declaration-name d) 'xen-watchdog)
         #~(make-kill-destructor SIGUSR1)
         #~(make-kill-destructor)))
    ((once) #~(const #f))
    ((domains) #~(lambda _ (apply system* #$(words config (append (declaration-command d) '("stop")))) #f))))

(define (requirement-of d)
  (map (lambda (name) (if (eq? name 'proc-xen) (string->symbol (string-append "file-system-" xenfs)) name))
       (declaration-requirement d)))

(define (shepherd-services kind)
  (lambda (config)
    (filter-map (lambda (d)
                  (and (not (eq? (declaration-form d) 'mount))
                       (shepherd-service
                        (documentation (declaration-documentation d))
                        (provision (list (declaration-name d)))
                        (requirement (cons 'user-processes (requirement-of d)))
                        (one-shot? (eq? (declaration-form d) 'once))
                        (start (start-of config d))
                        (stop (stop-of config d)))))
                (wanted kind config))))

(define (file-systems kind)
  (lambda (config)
    (filter-map (lambda (d)
                  (and (eq? (declaration-form d) 'mount)
                       (file-system
                        (device "xenfs")
                        (mount-point (declaration-command d))
                        (type "xenfs")
                        (check? #f)
                        (create-mount-point? #f))))
                (wanted kind config))))

(define hospes-host-service-type
  (service-type
   (name 'hospes-host)
   (description "Run what makes domain 0 a host: the store, consoles and the owner of domains.")
   (extensions
    (list (service-extension shepherd-root-service-type (shepherd-services declaration-host))
          (service-extension file-system-service-type (file-systems declaration-host))
          (service-extension kernel-module-loader-service-type (const kernel-modules))
          (service-extension profile-service-type (compose list hospes-configuration-package))))))

(define hospes-guest-service-type
  (service-type
   (name 'hospes-guest)
   (description "What a domain other than 0 has of the hypervisor.")
   (extensions
    (list (service-extension shepherd-root-service-type (shepherd-services declaration-guest))
          (service-extension file-system-service-type (file-systems declaration-guest))
          (service-extension profile-service-type (compose list hospes-configuration-package))))))

(define-module (gnu services linux)
  #:export (kernel-module-loader-service-type))
(define kernel-module-loader-service-type 'kernel-modules)

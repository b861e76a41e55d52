(define-module (gnu services)
  #:use-module (guix records)
  #:export (service-type service-type-name service-type-extensions service-extension profile-service-type))
(define-record-type* <service-type> service-type make-service-type service-type?
  (name service-type-name)
  (description service-type-description)
  (extensions service-type-extensions))
(define (service-extension to compute) (cons to compute))
(define profile-service-type 'profile)

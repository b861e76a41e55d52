(define-module (gnu services base)
  #:export (file-system-service-type))
(define file-system-service-type 'file-systems)

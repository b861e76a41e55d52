(define-module (gnu services shepherd)
  #:use-module (guix records)
  #:export (shepherd-service shepherd-service-provision shepherd-service-requirement shepherd-service-start shepherd-service-stop
            shepherd-root-service-type))
(define-record-type* <shepherd-service> shepherd-service make-shepherd-service shepherd-service?
  (documentation shepherd-service-documentation)
  (provision shepherd-service-provision)
  (requirement shepherd-service-requirement)
  (one-shot? shepherd-service-one-shot?)
  (start shepherd-service-start)
  (stop shepherd-service-stop))
(define shepherd-root-service-type 'shepherd)

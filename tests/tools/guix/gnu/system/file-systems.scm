(define-module (gnu system file-systems)
  #:use-module (guix records)
  #:export (file-system file-system-mount-point))
(define-record-type* <file-system> file-system make-file-system file-system?
  (device file-system-device)
  (mount-point file-system-mount-point)
  (type file-system-type)
  (check? file-system-check?)
  (create-mount-point? file-system-create-mount-point?))

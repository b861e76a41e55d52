;;; The little of Guix's records that (hospes services) uses: a record is a list of its type and its fields.
(define-module (guix records)
  #:export (define-record-type*))

(define-syntax define-field
  (syntax-rules (default)
    ((_ accessor field (default value)) (define (accessor r) (let ((p (assq 'field (cdr r)))) (if p (cdr p) value))))
    ((_ accessor field) (define (accessor r) (cdr (assq 'field (cdr r)))))))

(define-syntax define-record-type*
  (syntax-rules ()
    ((_ type constructor make predicate (field accessor . options) ...)
     (begin
       (define-syntax constructor
         (syntax-rules () ((_ (f v) (... ...)) (list 'constructor (cons 'f v) (... ...)))))
       (define (predicate r) (and (pair? r) (eq? (car r) 'constructor)))
       (define-field accessor field . options) ...))))

;;; #~ and #$ as in Guix, of which a list is left: the expression with what was to be filled in.
(define-module (guix gexp)
  #:export (gexp ungexp))

(eval-when (expand load eval)
  (read-hash-extend #\~ (lambda (c port) (list 'gexp (read port))))
  (read-hash-extend #\$ (lambda (c port) (list 'ungexp (read port)))))

(define-syntax ungexp (lambda (s) (syntax-violation 'ungexp "outside of a gexp" s)))
(define-syntax gexp
  (lambda (s)
    (define (walk x)
      (syntax-case x (ungexp)
        ((ungexp e) #'(unquote e))
        ((a . b) #`(#,(walk #'a) . #,(walk #'b)))
        (x #'x)))
    (syntax-case s ()
      ((_ e) #`(quasiquote #,(walk #'e))))))

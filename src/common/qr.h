/* QR decomposition with column pivoting, and what its triangle solves. */
#ifndef GSLFIT_QR_H
#define GSLFIT_QR_H

/* Householder QR with column pivoting (Golub and Van Loan, Matrix Computations, section 5.4.2) of `count` columns of n numbers each, in
 * place: element k of columns[j] is R_kj for k <= j afterwards; what lies below is of no use. The columns, and their numbers in `order`,
 * are brought into the order of the pivots; of columns that are as long to 1e-9 the first is taken, so that rounding doesn't choose.
 * Each of the `carriers` columns `carried` (n) becomes Q^T of it. Returns the rank: the decomposition ends where what is left of every
 * column is at most `tol` times the longest column. Columns must be scaled to about one length, or the rank depends on their units. */
int gslfit_qr(double **columns, int *order, int count, long n, double tol, double *const *carried, int carriers);

/* The triangle R below is what gslfit_qr leaves, or any whose column j begins at R[j]; only its first `rank` rows and columns are read. */

/* Solve R x = b, and R^T x = b; x holds b before. */
void gslfit_solve_upper(double *const *R, int rank, double *x);
void gslfit_solve_transposed(double *const *R, int rank, double *x);

/* R^-1 above its diagonal and on it, row i at inverse + i * stride; what lies below the diagonal is left as it is. */
void gslfit_invert_upper(double *const *R, int rank, double *inverse, long stride);

/* The independent columns that make up the dependent column at place c >= rank: R11 z = R12_c, z (rank). The null vector is (-z, 1). */
void gslfit_dependence(double *const *R, int rank, int c, double *z);

#endif

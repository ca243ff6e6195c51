/* Arrays as they come: any number type, strides and byte order, read row by row into doubles. */
#ifndef GSLFIT_STRIDED_ARRAY_H
#define GSLFIT_STRIDED_ARRAY_H

#include <stdint.h>

enum { MAX_AXES = 32 };

typedef enum { KIND_F8, KIND_F4, KIND_I1, KIND_I2, KIND_I4, KIND_I8, KIND_U1, KIND_U2, KIND_U4, KIND_U8 } number_kind;

/* An array of shape (..., n) as rows of n numbers. With no leading axes there is one row, which all fits share. */
typedef struct {
    const char *data;
    number_kind kind;
    int swapped;               /* the other byte order */
    int axes;                  /* leading ones */
    long shape[MAX_AXES], strides[MAX_AXES]; /* theirs; strides in bytes */
    long step;                 /* bytes from point to point */
} strided_array;

const char *gslfit_strided_row(const strided_array *v, long row);

/* The row's doubles where they lie, when they are doubles side by side; else NULL. */
const double *gslfit_strided_in_place(const strided_array *v, const char *row);

/* The number of a row that has one. */
double gslfit_strided_number(const strided_array *v, long row);

/* Points first to first + count of a row, as doubles, to every stride-th place of out. */
void gslfit_strided_read(const strided_array *v, const char *row, long first, long count, double *out, long stride);

#endif

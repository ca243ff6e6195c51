#include "strided_array.h"

#include <string.h>

const char *gslfit_strided_row(const strided_array *v, long row) {
    const char *place = v->data;
    for (int k = v->axes - 1; k > 0; k--) {
        place += row % v->shape[k] * v->strides[k];
        row /= v->shape[k];
    }
    return v->axes ? place + row * v->strides[0] : place;  /* no division for a plain list of rows */
}

const double *gslfit_strided_in_place(const strided_array *v, const char *row) {
    if (v->kind != KIND_F8 || v->swapped || v->step != sizeof(double) || (uintptr_t)row % sizeof(double)) return 0;
    return (const double *)row;
}

/* memcpy, since neither alignment nor type of what is there is known */
#define READ(type)                                                                     \
    static void read_##type(const char *from, long step, long count, double *out, long stride) { \
        for (long i = 0; i < count; i++, from += step, out += stride) {                \
            type number;                                                               \
            memcpy(&number, from, sizeof number);                                      \
            *out = (double)number;                                                     \
        }                                                                              \
    }                                                                                  \
    static void swap_##type(const char *from, long step, long count, double *out, long stride) { \
        for (long i = 0; i < count; i++, from += step, out += stride) {                \
            char bytes[sizeof(type)];                                                  \
            for (unsigned k = 0; k < sizeof(type); k++) bytes[k] = from[sizeof(type) - 1 - k]; \
            type number;                                                               \
            memcpy(&number, bytes, sizeof number);                                     \
            *out = (double)number;                                                     \
        }                                                                              \
    }
READ(double) READ(float) READ(int8_t) READ(int16_t) READ(int32_t) READ(int64_t) READ(uint8_t) READ(uint16_t) READ(uint32_t) READ(uint64_t)

void gslfit_strided_read(const strided_array *v, const char *row, long first, long count, double *out, long stride) {
#define BOTH_ORDERS(kind, type) [kind] = {read_##type, swap_##type}
    static void (*const readers[][2])(const char *, long, long, double *, long) = {
        BOTH_ORDERS(KIND_F8, double), BOTH_ORDERS(KIND_F4, float), BOTH_ORDERS(KIND_I1, int8_t), BOTH_ORDERS(KIND_I2, int16_t),
        BOTH_ORDERS(KIND_I4, int32_t), BOTH_ORDERS(KIND_I8, int64_t), BOTH_ORDERS(KIND_U1, uint8_t), BOTH_ORDERS(KIND_U2, uint16_t),
        BOTH_ORDERS(KIND_U4, uint32_t), BOTH_ORDERS(KIND_U8, uint64_t)};
#undef BOTH_ORDERS
    const double *in_place = stride == 1 ? gslfit_strided_in_place(v, row) : 0;
    if (in_place) memcpy(out, in_place + first, count * sizeof *out);
    else readers[v->kind][v->swapped != 0](row + first * v->step, v->step, count, out, stride);
}

double gslfit_strided_number(const strided_array *v, long row) {
    const char *place = gslfit_strided_row(v, row);
    double number;
    if (v->kind == KIND_F8 && !v->swapped) memcpy(&number, place, sizeof number);
    else gslfit_strided_read(v, place, 0, 1, &number, 1);
    return number;
}

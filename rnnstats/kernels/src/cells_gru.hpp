// The gated recurrent unit with gates r, z and candidate n. Templates of cells, see cells.hpp.
#pragma once

#include "cells_functions.hpp"

namespace rnnstats {
namespace cells {

// n = tanh(x + r * y): x is what the inputs give, y what the state gives (with its own constant). The two are
// treated as two gates, whose matrices have zeros in the places of the state and of the inputs.
struct GruAfter {
    static constexpr int first = 4, late = 0, saved = 5, saved_first = 5, numbers = 0;
    static constexpr bool memory = false;

    // saved: argument of n by that of r, and by y; h_t by the arguments of z and n, and by h_{t-1}
    static RNNSTATS_INLINE void step(const Vec *a, const Vec *, Vec h, Vec, Vec *saved, Vec *new_h, Vec *) {
        const Vec r = sigmoid(a[0]), z = sigmoid(a[1]), n = tanh(a[2] + r * a[3]), less = h - n;
        *new_h = n + z * less;
        saved[0] = a[3] * (r * rest(r));
        saved[1] = r;
        saved[2] = less * (z * rest(z));
        saved[3] = rest(z) * rest(n * n);
        saved[4] = z;
    }

    static RNNSTATS_INLINE void adjoint(const Vec *saved, const Vec *, Vec dh, Vec, Vec *da, Vec *direct, Vec *) {
        da[2] = dh * saved[3];
        da[3] = da[2] * saved[1];
        da[0] = da[2] * saved[0];
        da[1] = dh * saved[2];
        *direct = dh * saved[4];
    }

    // carry: h_t by h_{t-1}
    static constexpr int sources = 1;
    static constexpr int source(int) { return 0; }
    static RNNSTATS_INLINE void slopes(const Vec *saved, const Vec *, Vec *gate, Vec *carry) {
        gate[0] = saved[3] * saved[0];
        gate[1] = saved[2];
        gate[2] = saved[3];
        gate[3] = saved[3] * saved[1];
        carry[0] = saved[4];
    }
};

// n = tanh(W_n [r * h; u; 1]): the candidate's argument, "late", waits for all of r * h.
struct GruBefore {
    static constexpr int first = 2, late = 1, saved = 5, saved_first = 3, numbers = 0;
    static constexpr bool memory = false;

    // saved: q by the argument of r, and by h; z, h_t's slope by h_{t-1}; then h_t by the arguments of z and n.
    // q = r * h is what the late gate sees in the place of h
    static RNNSTATS_INLINE void step_first(const Vec *a, Vec h, Vec *saved, Vec *q) {
        const Vec r = sigmoid(a[0]);
        *q = r * h;
        saved[0] = h * (r * rest(r));
        saved[1] = r;
        saved[2] = sigmoid(a[1]);
    }
    static RNNSTATS_INLINE void step_late(const Vec *a, Vec h, Vec *saved, Vec *new_h) {
        const Vec n = tanh(a[0]), z = saved[2], less = h - n;
        *new_h = n + z * less;
        saved[3] = less * (z * rest(z));
        saved[4] = rest(z) * rest(n * n);
    }

    static RNNSTATS_INLINE void adjoint_late(const Vec *saved, Vec dh, Vec *da) { da[0] = dh * saved[4]; }
    // dq: adjoint of q
    static RNNSTATS_INLINE void adjoint_first(const Vec *saved, Vec dh, Vec dq, Vec *da, Vec *direct) {
        da[0] = dq * saved[0];
        da[1] = dh * saved[3];
        *direct = dh * saved[2] + dq * saved[1];
    }

    // carry: h_t by h_{t-1}, q by h_{t-1}
    static constexpr int sources = 2;
    static constexpr int source(int gate) { return gate == 0 ? 1 : 0; }
    static RNNSTATS_INLINE void slopes(const Vec *saved, const Vec *, Vec *gate, Vec *carry) {
        gate[0] = saved[0];
        gate[1] = saved[3];
        gate[2] = saved[4];
        carry[0] = saved[2];
        carry[1] = saved[1];
    }
};

} // namespace cells
} // namespace rnnstats

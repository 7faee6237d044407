// Long short-term memory with gates i, f, g, o; p: peepholes of i, f, o. A template of a cell, see cells.hpp.
#pragma once

#include "cells_functions.hpp"

namespace rnnstats {
namespace cells {

template <bool PEEPHOLE>
struct Lstm {
    static constexpr int first = 4, late = 0, saved = 6, saved_first = 6, numbers = PEEPHOLE ? 3 : 0;
    static constexpr bool memory = true;

    // saved: c_t by the arguments of i, f, g; h_t by that of o, and by c_t; c_t by c_{t-1}
    static RNNSTATS_INLINE void step(const Vec *a, const Vec *p, Vec, Vec c, Vec *saved, Vec *new_h, Vec *new_c) {
        Vec i, f, o;
        if constexpr (PEEPHOLE) {
            i = sigmoid(a[0] + p[0] * c);
            f = sigmoid(a[1] + p[1] * c);
        } else {
            i = sigmoid(a[0]);
            f = sigmoid(a[1]);
        }
        const Vec g = tanh(a[2]);
        *new_c = f * c + i * g;
        if constexpr (PEEPHOLE) o = sigmoid(a[3] + p[2] * *new_c);
        else o = sigmoid(a[3]);
        const Vec th = tanh(*new_c);
        *new_h = o * th;
        saved[0] = g * (i * rest(i));
        saved[1] = c * (f * rest(f));
        saved[2] = i * rest(g * g);
        saved[3] = th * (o * rest(o));
        saved[4] = o * rest(th * th);
        saved[5] = f;
    }

    // dh, dc: adjoints of h_t and c_t; da: of the gates' arguments; direct, before: of h_{t-1} and c_{t-1} other
    // than through these
    static RNNSTATS_INLINE void adjoint(const Vec *saved, const Vec *p, Vec dh, Vec dc, Vec *da, Vec *direct,
                                        Vec *before) {
        da[3] = dh * saved[3];
        dc += dh * saved[4];
        if constexpr (PEEPHOLE) dc += da[3] * p[2];
        da[0] = dc * saved[0];
        da[1] = dc * saved[1];
        da[2] = dc * saved[2];
        *before = dc * saved[5];
        if constexpr (PEEPHOLE) *before += da[0] * p[0] + da[1] * p[1];
        *direct = simd::splat(0.0);
    }

    // carry: what the adjoint of h_t adds to that of c_t; c_t by c_{t-1}
    static constexpr int sources = 2;
    static constexpr int source(int gate) { return gate == 3 ? 0 : 1; }
    static RNNSTATS_INLINE void slopes(const Vec *saved, const Vec *p, Vec *gate, Vec *carry) {
        for (int g = 0; g < 4; ++g) gate[g] = saved[g];
        carry[0] = saved[4];
        carry[1] = saved[5];
        if constexpr (PEEPHOLE) {
            carry[0] += saved[3] * p[2];
            carry[1] += saved[0] * p[0] + saved[1] * p[1];
        }
    }
};

} // namespace cells
} // namespace rnnstats

// Eight doubles as one value, which the compiler maps to whatever vector units a function is compiled
// for (RNNSTATS_VECTOR_CLONES), and exp and log of them without branches.
#pragma once

#include <cstdint>
#include <cstring>

#include "linalg.hpp"

#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
#define RNNSTATS_VECTORS
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi" // such values are inlined, never passed
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define RNNSTATS_UNROLL _Pragma("GCC unroll 8")
#elif defined(__clang__)
#define RNNSTATS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define RNNSTATS_UNROLL
#endif

namespace rnnstats {
namespace simd {

constexpr int LANES = 8;

// Whether eight doubles are one register here. Elsewhere compilers put together such values from pieces, and
// what needs many of them at once does not pay.
inline bool one_register() {
#if defined(__AVX512DQ__) && defined(__AVX512VL__)
    return true;
#elif defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

#define RNNSTATS_INLINE RNNSTATS_ALWAYS_INLINE inline

#if defined(RNNSTATS_VECTORS)
typedef double Vec __attribute__((vector_size(64)));
typedef std::int64_t Ints __attribute__((vector_size(64)));
typedef double Loose __attribute__((vector_size(64), aligned(8), may_alias));

RNNSTATS_INLINE Vec load(const double *at) { return *reinterpret_cast<const Loose *>(at); }
RNNSTATS_INLINE void store(double *at, Vec x) { *reinterpret_cast<Loose *>(at) = x; }
// by arithmetic with zero, which costs nothing: a list of eight is put together one by one by some compilers
RNNSTATS_INLINE Vec splat(double x) { return x - Vec{}; }
RNNSTATS_INLINE Ints above(Vec x, Vec y) { return x > y; }
RNNSTATS_INLINE Ints same(Vec x, Vec y) { return x == y; }
RNNSTATS_INLINE Vec choose(Ints yes, Vec x, Vec y) { return yes ? x : y; }
RNNSTATS_INLINE Vec maximum(Vec x, Vec y) { return x > y ? x : y; }
RNNSTATS_INLINE Vec minimum(Vec x, Vec y) { return x < y ? x : y; }
RNNSTATS_INLINE Ints bits_of(Vec x) { return reinterpret_cast<Ints>(x); }
RNNSTATS_INLINE Vec of_bits(Ints x) { return reinterpret_cast<Vec>(x); }
RNNSTATS_INLINE Ints times_2_52(Ints x) { return x << 52; }
RNNSTATS_INLINE Ints splat_ints(std::int64_t x) { return x + Ints{}; }
RNNSTATS_INLINE Ints choose(Ints yes, Ints x, Ints y) { return yes ? x : y; }
RNNSTATS_INLINE Ints right(Ints x, Ints by) { return x >> by; }
RNNSTATS_INLINE Ints right(Ints x, int by) { return x >> by; }
// One lane in all.
template <int I>
RNNSTATS_INLINE Vec spread(Vec x) {
    return __builtin_shufflevector(x, x, I, I, I, I, I, I, I, I);
}

// Eight numbers below 256, a byte each.
RNNSTATS_INLINE std::int64_t bytes_of(Ints x) {
    typedef std::uint8_t Bytes __attribute__((vector_size(8)));
    const Bytes bytes = __builtin_convertvector(x, Bytes);
    std::int64_t out;
    std::memcpy(&out, &bytes, sizeof out);
    return out;
}

// An 8 x 8 block, rows to columns.
RNNSTATS_INLINE void transpose(Vec *x) {
    Vec y[8];
    for (int i = 0; i < 8; i += 2) {
        y[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        y[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; ++j) {
            x[i + j] = __builtin_shufflevector(y[i + j], y[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            x[i + j + 2] = __builtin_shufflevector(y[i + j], y[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int j = 0; j < 4; ++j) {
        y[j] = __builtin_shufflevector(x[j], x[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        y[j + 4] = __builtin_shufflevector(x[j], x[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    for (int j = 0; j < 8; ++j) x[j] = y[j];
}
#else
struct Vec {
    double x[LANES];
    double &operator[](int i) { return x[i]; }
    double operator[](int i) const { return x[i]; }
};
struct Ints {
    std::int64_t x[LANES];
    std::int64_t &operator[](int i) { return x[i]; }
    std::int64_t operator[](int i) const { return x[i]; }
};
template <class R, class F>
RNNSTATS_INLINE R each(F f) {
    R out;
    for (int i = 0; i < LANES; ++i) out[i] = f(i);
    return out;
}
RNNSTATS_INLINE Vec splat(double x) { return each<Vec>([=](int) { return x; }); }
RNNSTATS_INLINE Vec operator+(Vec x, Vec y) { return each<Vec>([&](int i) { return x[i] + y[i]; }); }
RNNSTATS_INLINE Vec operator-(Vec x, Vec y) { return each<Vec>([&](int i) { return x[i] - y[i]; }); }
RNNSTATS_INLINE Vec operator*(Vec x, Vec y) { return each<Vec>([&](int i) { return x[i] * y[i]; }); }
RNNSTATS_INLINE Vec operator/(Vec x, Vec y) { return each<Vec>([&](int i) { return x[i] / y[i]; }); }
RNNSTATS_INLINE Vec operator+(Vec x, double y) { return x + splat(y); }
RNNSTATS_INLINE Vec operator-(Vec x, double y) { return x - splat(y); }
RNNSTATS_INLINE Vec operator*(Vec x, double y) { return x * splat(y); }
RNNSTATS_INLINE Vec operator*(double x, Vec y) { return splat(x) * y; }
RNNSTATS_INLINE Vec operator+(double x, Vec y) { return splat(x) + y; }
RNNSTATS_INLINE Vec operator-(double x, Vec y) { return splat(x) - y; }
RNNSTATS_INLINE Vec operator/(double x, Vec y) { return splat(x) / y; }
RNNSTATS_INLINE Vec &operator+=(Vec &x, Vec y) { return x = x + y; }
RNNSTATS_INLINE Vec &operator*=(Vec &x, Vec y) { return x = x * y; }
RNNSTATS_INLINE Ints operator&(Ints x, Ints y) { return each<Ints>([&](int i) { return x[i] & y[i]; }); }
RNNSTATS_INLINE Ints operator+(Ints x, Ints y) { return each<Ints>([&](int i) { return x[i] + y[i]; }); }
RNNSTATS_INLINE Vec load(const double *at) { return each<Vec>([=](int i) { return at[i]; }); }
RNNSTATS_INLINE void store(double *at, Vec x) { std::memcpy(at, x.x, sizeof x.x); }
RNNSTATS_INLINE Ints above(Vec x, Vec y) { return each<Ints>([&](int i) { return x[i] > y[i] ? -1 : 0; }); }
RNNSTATS_INLINE Ints same(Vec x, Vec y) { return each<Ints>([&](int i) { return x[i] == y[i] ? -1 : 0; }); }
RNNSTATS_INLINE Vec choose(Ints yes, Vec x, Vec y) { return each<Vec>([&](int i) { return yes[i] ? x[i] : y[i]; }); }
RNNSTATS_INLINE Vec maximum(Vec x, Vec y) { return choose(above(x, y), x, y); }
RNNSTATS_INLINE Vec minimum(Vec x, Vec y) { return choose(above(y, x), x, y); }
RNNSTATS_INLINE Ints bits_of(Vec x) {
    Ints out;
    std::memcpy(out.x, x.x, sizeof x.x);
    return out;
}
RNNSTATS_INLINE Vec of_bits(Ints x) {
    Vec out;
    std::memcpy(out.x, x.x, sizeof x.x);
    return out;
}
RNNSTATS_INLINE Ints times_2_52(Ints x) {
    return each<Ints>([&](int i) { return static_cast<std::int64_t>(static_cast<std::uint64_t>(x[i]) << 52); });
}
template <int I>
RNNSTATS_INLINE Vec spread(Vec x) {
    return splat(x[I]);
}
RNNSTATS_INLINE Ints splat_ints(std::int64_t x) { return each<Ints>([=](int) { return x; }); }
RNNSTATS_INLINE Ints choose(Ints yes, Ints x, Ints y) { return each<Ints>([&](int i) { return yes[i] ? x[i] : y[i]; }); }
RNNSTATS_INLINE Ints right(Ints x, Ints by) { return each<Ints>([&](int i) { return x[i] >> by[i]; }); }
RNNSTATS_INLINE Ints right(Ints x, int by) { return each<Ints>([&](int i) { return x[i] >> by; }); }
RNNSTATS_INLINE Ints operator|(Ints x, Ints y) { return each<Ints>([&](int i) { return x[i] | y[i]; }); }
RNNSTATS_INLINE std::int64_t bytes_of(Ints x) {
    std::int64_t out = 0;
    for (int i = 0; i < LANES; ++i) out |= x[i] << (8 * i);
    return out;
}
RNNSTATS_INLINE void transpose(Vec *x) {
    for (int i = 0; i < LANES; ++i)
        for (int j = 0; j < i; ++j) {
            const double one = x[i][j];
            x[i][j] = x[j][i];
            x[j][i] = one;
        }
}
#endif

RNNSTATS_INLINE double sum_of(Vec x) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

// e^x for x <= 0, within two units in the last place; 0 below -708 (and where x is not a number).
RNNSTATS_INLINE Vec exp_negative(Vec x) {
    constexpr double log2e = 1.4426950408889634074, magic = 6755399441055744.0;
    constexpr double ln2_hi = 6.93145751953125e-1, ln2_lo = 1.42860682030941723212e-6;
    const Ints keep = above(x, splat(-708.0));
    x = of_bits(bits_of(x) & keep);
    const Vec shifted = x * log2e + magic, n = shifted - magic;
    const Vec r = (x - n * ln2_hi) - n * ln2_lo, r2 = r * r, r4 = r2 * r2;
    // Chebyshev interpolation of (e^r - 1 - r) / r^2 on |r| <= log(2) / 2: relative error 1.6e-17
    const Vec a = r * 0.16666666666666669 + 0.5000000000000001;
    const Vec b = r * 0.008333333333330062 + 0.04166666666662413;
    const Vec c = r * 0.00019841269863053618 + 0.0013888888917213717;
    const Vec d = r * 2.7557268459997064e-06 + 2.4801521295954376e-05;
    const Vec e = r * 2.510038549551032e-08 + 2.7620088445409746e-07;
    const Vec q = (b * r2 + a) + r4 * ((d * r2 + c) + r4 * e);
    const Vec power = q * r2 + r + 1.0;
    return of_bits((bits_of(power) + times_2_52(bits_of(shifted))) & keep); // times 2^n
}

// log(x) for normal x > 0 within two units in the last place, without branches.
RNNSTATS_INLINE double log_normal(double x) {
    constexpr std::uint64_t root_half = 0x3FE6A09E667F3BCDull, bias = 1024ull, two52 = 0x4330000000000000ull;
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const std::uint64_t biased = (bits - root_half + (bias << 52)) >> 52; // exponent + 1024
    bits -= (biased - bias) << 52;                                        // in [sqrt(1/2), sqrt(2))
    const std::uint64_t as_double = two52 | biased;
    double m, e;
    std::memcpy(&m, &bits, sizeof m);
    std::memcpy(&e, &as_double, sizeof e);
    e -= 4503599627370496.0 + 1024.0;
    const double s = (m - 1.0) / (m + 1.0), z = s * s;
    double q = 1.0 / 21.0; // 2 artanh(s), |s| <= 0.172
    q = q * z + 1.0 / 19.0;
    q = q * z + 1.0 / 17.0;
    q = q * z + 1.0 / 15.0;
    q = q * z + 1.0 / 13.0;
    q = q * z + 1.0 / 11.0;
    q = q * z + 1.0 / 9.0;
    q = q * z + 1.0 / 7.0;
    q = q * z + 1.0 / 5.0;
    q = q * z + 1.0 / 3.0;
    constexpr double ln2_hi = 6.93145751953125e-1, ln2_lo = 1.42860682030941723212e-6;
    return e * ln2_hi + (2.0 * s + (2.0 * s * z * q + e * ln2_lo));
}

} // namespace simd
} // namespace rnnstats

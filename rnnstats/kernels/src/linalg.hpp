// Dense row-major linear algebra for sizes known at compile time (Dim<N>) or at run time (Dim<0>).
//
// The same source serves both: with Dim<N> every loop bound is a constant and the compiler unrolls;
// with Dim<0> products above a size threshold go to the BLAS that SciPy ships.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#if defined(__GNUC__)
#define RNNSTATS_ALWAYS_INLINE __attribute__((always_inline))
#else
#define RNNSTATS_ALWAYS_INLINE
#endif
// Run-time sizes: one version of the loop for each generation of vector units, chosen when the module loads.
// By what the processor can do: arch=haswell and the like would mean processors of one maker only.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define RNNSTATS_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RNNSTATS_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define RNNSTATS_VECTOR_CLONES
#endif
// Lets the compiler reorder one sum, and only that one (no -ffast-math: NaN means missing).
#define RNNSTATS_PRAGMA(x) _Pragma(#x)
#define RNNSTATS_SIMD_SUM(variable) RNNSTATS_PRAGMA(omp simd reduction(+ : variable))

namespace rnnstats {

template <int N>
struct Dim {
    constexpr explicit Dim(int = N) {}
    constexpr operator int() const { return N; }
    static constexpr bool fixed = true;
    static constexpr int value = N;
};

template <>
struct Dim<0> {
    int n;
    explicit Dim(int size) : n(size) {}
    operator int() const { return n; }
    static constexpr bool fixed = false;
    static constexpr int value = 0;
};

template <class N>
constexpr bool is_fixed = false;
template <int N>
constexpr bool is_fixed<Dim<N>> = N > 0;

using dgemm_t = void (*)(char*, char*, int*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*);
using dgeqrf_t = void (*)(int*, int*, double*, int*, double*, double*, int*, int*);

// Function table filled once, when the extension module is imported.
struct Blas {
    dgemm_t dgemm = nullptr;
    dgeqrf_t dgeqrf = nullptr;
};
inline Blas blas;

constexpr long blas_threshold = 12L * 12L * 12L;

constexpr long lapack_threshold = 64L * 64L * 64L;

enum class Put { set, add, sub };

template <class... Ds>
inline bool use_blas(Ds... dims) {
    if constexpr ((Ds::fixed && ...)) {
        return false;
    } else {
        return blas.dgemm != nullptr && (static_cast<long>(static_cast<int>(dims)) * ...) >= blas_threshold;
    }
}

// C (i x j) = op(A) op(B) through column-major dgemm: C' = op(B)' op(A)'.
inline void gemm_blas(char ta, char tb, int i, int j, int k, double alpha, const double* A, int lda, const double* B,
                      int ldb, double beta, double* C, int ldc) {
    blas.dgemm(&tb, &ta, &j, &i, &k, &alpha, const_cast<double*>(B), &ldb, const_cast<double*>(A), &lda, &beta, C,
               &ldc);
}

template <Put W>
constexpr double alpha_of = W == Put::sub ? -1.0 : 1.0;
template <Put W>
constexpr double beta_of = W == Put::set ? 0.0 : 1.0;

template <Put W>
inline void put(double& target, double value) {
    if constexpr (W == Put::set) target = value;
    else if constexpr (W == Put::add) target += value;
    else target -= value;
}

template <class N>
inline double dot(N n, const double* x, const double* y) {
    double sum = 0.0;
    if constexpr (is_fixed<N>) {
        for (int i = 0; i < n; ++i) sum += x[i] * y[i];
    } else {
        RNNSTATS_SIMD_SUM(sum)
        for (int i = 0; i < n; ++i) sum += x[i] * y[i];
    }
    return sum;
}

// The product row by row for run-time sizes: C[x, :] {=, +=, -=} sum_l A(x, l) B[l, :], inner loops contiguous.
template <Put W>
inline void by_rows(int i, int j, int k, const double* A, int step_x, int step_l, const double* B, double* C, int ldc) {
    for (int x = 0; x < i; ++x) {
        double* c = C + x * ldc;
        if constexpr (W == Put::set) std::fill(c, c + j, 0.0);
        for (int l = 0; l < k; ++l) {
            const double weight = W == Put::sub ? -A[x * step_x + l * step_l] : A[x * step_x + l * step_l];
            for (int y = 0; y < j; ++y) c[y] += weight * B[l * j + y];
        }
    }
}

// C (i x j) {=, +=, -=} A (i x k) B (k x j); ldc lets C be a block of a wider matrix.
template <Put W, class I, class J, class K>
inline void mul_nn(I i, J j, K k, const double* A, const double* B, double* C, int ldc) {
    if (use_blas(i, j, k)) {
        gemm_blas('N', 'N', i, j, k, alpha_of<W>, A, k, B, j, beta_of<W>, C, ldc);
        return;
    }
    if constexpr (!J::fixed) {
        by_rows<W>(i, j, k, A, k, 1, B, C, ldc);
        return;
    }
    for (int x = 0; x < i; ++x) {
        for (int y = 0; y < j; ++y) {
            double sum = 0.0;
            for (int l = 0; l < k; ++l) sum += A[x * k + l] * B[l * j + y];
            put<W>(C[x * ldc + y], sum);
        }
    }
}

template <Put W, class I, class J, class K>
inline void mul_nn(I i, J j, K k, const double* A, const double* B, double* C) {
    mul_nn<W>(i, j, k, A, B, C, static_cast<int>(j));
}

// C (i x j) {=, +=, -=} A (i x k) B' with B (j x k).
template <Put W, class I, class J, class K>
inline void mul_nt(I i, J j, K k, const double* A, const double* B, double* C) {
    if (use_blas(i, j, k)) {
        gemm_blas('N', 'T', i, j, k, alpha_of<W>, A, k, B, k, beta_of<W>, C, j);
        return;
    }
    for (int x = 0; x < i; ++x) {
        for (int y = 0; y < j; ++y) {
            put<W>(C[x * j + y], dot(k, A + x * k, B + y * k));
        }
    }
}

// C (i x j) {=, +=, -=} A' B with A (k x i), B (k x j).
template <Put W, class I, class J, class K>
inline void mul_tn(I i, J j, K k, const double* A, const double* B, double* C) {
    if (use_blas(i, j, k)) {
        gemm_blas('T', 'N', i, j, k, alpha_of<W>, A, i, B, j, beta_of<W>, C, j);
        return;
    }
    if constexpr (!J::fixed) {
        by_rows<W>(i, j, k, A, 1, i, B, C, j);
        return;
    }
    for (int x = 0; x < i; ++x) {
        for (int y = 0; y < j; ++y) {
            double sum = 0.0;
            for (int l = 0; l < k; ++l) sum += A[l * i + x] * B[l * j + y];
            put<W>(C[x * j + y], sum);
        }
    }
}

// y (i) {=, +=, -=} A (i x k) x and A' x with A (k x i).
template <Put W, class I, class K>
inline void mul_v(I i, K k, const double* A, const double* x, double* y) {
    for (int r = 0; r < i; ++r) {
        put<W>(y[r], dot(k, A + r * k, x));
    }
}

template <Put W, class I, class K>
inline void mul_tv(I i, K k, const double* A, const double* x, double* y) {
    if constexpr (!I::fixed) {
        by_rows<W>(1, i, k, x, 0, 1, A, y, i);
        return;
    }
    for (int r = 0; r < i; ++r) {
        double sum = 0.0;
        for (int l = 0; l < k; ++l) sum += A[l * i + r] * x[l];
        put<W>(y[r], sum);
    }
}

// C (i x j) += x y'.
template <class I, class J>
inline void add_outer(I i, J j, const double* x, const double* y, double* C) {
    for (int r = 0; r < i; ++r)
        for (int c = 0; c < j; ++c) C[r * j + c] += x[r] * y[c];
}

inline void copy(int n, const double* from, double* to) { std::copy(from, from + n, to); }
inline void zero(int n, double* x) { std::fill(x, x + n, 0.0); }
inline void add(int n, const double* x, double* to) {
    for (int i = 0; i < n; ++i) to[i] += x[i];
}

template <class N>
inline void symmetrise(N n, double* A) {
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < i; ++j) A[i * n + j] = A[j * n + i] = 0.5 * (A[i * n + j] + A[j * n + i]);
}

// S (n x n) = B B' with B (n x k): symmetric to the last bit, positive semi-definite.
template <class N, class K>
inline void gram(N n, K k, const double* B, double* S) {
    if (use_blas(n, n, k)) {
        gemm_blas('N', 'T', n, n, k, 1.0, B, k, B, k, 0.0, S, n);
        symmetrise(n, S);
        return;
    }
    for (int i = 0; i < n; ++i)
        for (int j = 0; j <= i; ++j) S[i * n + j] = S[j * n + i] = dot(k, B + i * k, B + j * k);
}

// Lower factor of a positive semi-definite matrix; pivots below `tol` of their diagonal, or `floor`, count as zero.
// Returns false where a pivot is negative beyond rounding (the matrix is not positive semi-definite).
inline bool psd_factor(int n, const double* A, double* G, double tol = 1e-14, double floor = 0.0) {
    bool ok = true;
    zero(n * n, G);
    for (int j = 0; j < n; ++j) {
        const double diagonal = A[j * n + j];
        const double pivot = diagonal - dot(j, G + j * n, G + j * n);
        if (!(diagonal >= 0.0) || pivot < -1e-8 * diagonal) ok = false;
        if (!(pivot > std::max(tol * diagonal, floor))) continue;
        const double root = std::sqrt(pivot);
        G[j * n + j] = root;
        for (int i = j + 1; i < n; ++i) G[i * n + j] = (A[i * n + j] - dot(j, G + i * n, G + j * n)) / root;
    }
    return ok;
}

// Inverse of a lower-triangular matrix.
template <class N>
inline void invert_lower(N n, const double* G, double* X) {
    for (int i = 0; i < n; ++i) {
        const double scale = 1.0 / G[i * n + i];
        for (int j = 0; j < n; ++j) {
            if (j > i) {
                X[i * n + j] = 0.0;
                continue;
            }
            double sum = i == j ? 1.0 : 0.0;
            for (int l = j; l < i; ++l) sum -= G[i * n + l] * X[l * n + j];
            X[i * n + j] = sum * scale;
        }
    }
}

// Solve A x = b in place by Gaussian elimination with partial pivoting (A is overwritten); false if singular.
inline bool solve_in_place(int n, double* A, double* b, int nrhs) {
    for (int c = 0; c < n; ++c) {
        int best = c;
        for (int r = c + 1; r < n; ++r)
            if (std::fabs(A[r * n + c]) > std::fabs(A[best * n + c])) best = r;
        if (A[best * n + c] == 0.0) return false;
        if (best != c) {
            std::swap_ranges(A + c * n, A + c * n + n, A + best * n);
            std::swap_ranges(b + c * nrhs, b + c * nrhs + nrhs, b + best * nrhs);
        }
        for (int r = c + 1; r < n; ++r) {
            const double factor = A[r * n + c] / A[c * n + c];
            if (factor == 0.0) continue;
            for (int l = c; l < n; ++l) A[r * n + l] -= factor * A[c * n + l];
            for (int l = 0; l < nrhs; ++l) b[r * nrhs + l] -= factor * b[c * nrhs + l];
        }
    }
    for (int r = n - 1; r >= 0; --r) {
        for (int l = 0; l < nrhs; ++l) {
            double sum = b[r * nrhs + l];
            for (int c = r + 1; c < n; ++c) sum -= A[r * n + c] * b[c * nrhs + l];
            b[r * nrhs + l] = sum / A[r * n + r];
        }
    }
    return true;
}

// Eigenvalues w and orthonormal eigenvectors (columns of V) of a small symmetric matrix by cyclic Jacobi rotations.
inline void jacobi_eigen(int n, const double* S, double* A, double* w, double* V) {
    copy(n * n, S, A);
    zero(n * n, V);
    for (int i = 0; i < n; ++i) V[i * n + i] = 1.0;
    for (int sweep = 0; sweep < 60; ++sweep) {
        double off = 0.0, all = 0.0;
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; ++j) (i == j ? all : off) += A[i * n + j] * A[i * n + j];
        if (off <= 1e-34 * all || off == 0.0) break;
        for (int p = 0; p < n; ++p) {
            for (int q = p + 1; q < n; ++q) {
                if (A[p * n + q] == 0.0) continue;
                const double theta = 0.5 * (A[q * n + q] - A[p * n + p]) / A[p * n + q];
                const double t = (theta >= 0 ? 1.0 : -1.0) / (std::fabs(theta) + std::sqrt(theta * theta + 1.0));
                const double c = 1.0 / std::sqrt(t * t + 1.0), s = t * c;
                for (int l = 0; l < n; ++l) {
                    const double x = A[l * n + p], y = A[l * n + q];
                    A[l * n + p] = c * x - s * y;
                    A[l * n + q] = s * x + c * y;
                }
                for (int l = 0; l < n; ++l) {
                    const double x = A[p * n + l], y = A[q * n + l];
                    A[p * n + l] = c * x - s * y;
                    A[q * n + l] = s * x + c * y;
                }
                A[p * n + q] = A[q * n + p] = 0.0;
                for (int l = 0; l < n; ++l) {
                    const double vx = V[l * n + p], vy = V[l * n + q];
                    V[l * n + p] = c * vx - s * vy;
                    V[l * n + q] = s * vx + c * vy;
                }
            }
        }
    }
    for (int i = 0; i < n; ++i) w[i] = A[i * n + i];
}

// Householder reflections that make the first `steps` rows lower triangular; the others are rotated along.
template <class R, class C>
inline RNNSTATS_ALWAYS_INLINE void reflect_rows(R rows, C cols, double* W, int steps) {
    for (int i = 0; i < steps; ++i) {
        double* row = W + i * cols;
        double tail = 0.0;
        for (int j = i + 1; j < cols; ++j) tail += row[j] * row[j];
        const double head = row[i];
        if (tail == 0.0 && head >= 1e-140) continue;
        const double square = head * head + tail;
        if (square < 1e-280) {
            for (int j = i; j < cols; ++j) row[j] = 0.0;
            continue;
        }
        // Reflect onto -sign(head) * norm, which never cancels, then turn the column's sign.
        const double norm = std::sqrt(square), sign = head < 0.0 ? -1.0 : 1.0;
        const double lead = head + sign * norm, inverse = 1.0 / lead, weight = sign * lead / norm;
        for (int j = i + 1; j < cols; ++j) row[j] *= inverse;
        for (int k = i + 1; k < rows; ++k) {
            double* other = W + k * cols;
            double projection = other[i];
            if constexpr (C::fixed) {
                for (int j = i + 1; j < cols; ++j) projection += row[j] * other[j];
            } else {
                RNNSTATS_SIMD_SUM(projection)
                for (int j = i + 1; j < cols; ++j) projection += row[j] * other[j];
            }
            projection *= weight;
            other[i] = sign * (projection - other[i]);
            for (int j = i + 1; j < cols; ++j) other[j] -= projection * row[j];
        }
        row[i] = norm;
        for (int j = i + 1; j < cols; ++j) row[j] = 0.0;
    }
}

RNNSTATS_VECTOR_CLONES static void reflect_rows_wide(int rows, int cols, double* W) {
    reflect_rows(Dim<0>(rows), Dim<0>(cols), W, std::min(rows, cols));
}

// In-place LQ of W (rows x cols, row-major) by Householder reflections: W -> lower trapezoid with non-negative
// diagonal, the orthogonal factor is not kept. W W' is unchanged. Rows below 1e-140 count as zero: their squares
// would underflow.
template <class R, class C>
inline void lq_in_place(R rows, C cols, double* W, double* tau) {
    if constexpr (!R::fixed) {
        if (blas.dgeqrf != nullptr && static_cast<long>(rows) * rows * cols >= lapack_threshold) {
            int m = cols, n = rows, info = 0, lwork = 64 * rows;
            blas.dgeqrf(&m, &n, W, &m, tau, tau + rows, &lwork, &info);
            for (int i = 0; i < rows; ++i)
                for (int j = i + 1; j < cols; ++j) W[i * cols + j] = 0.0;
            for (int j = 0; j < std::min<int>(rows, cols); ++j)
                if (W[j * cols + j] < 0.0)
                    for (int i = j; i < rows; ++i) W[i * cols + j] = -W[i * cols + j];
            return;
        }
    }
    if constexpr (R::fixed && C::fixed) reflect_rows(rows, cols, W, std::min<int>(rows, cols));
    else reflect_rows_wide(rows, cols, W);
}

inline int lq_workspace(int rows) { return 65 * rows + 64; }

}  // namespace rnnstats

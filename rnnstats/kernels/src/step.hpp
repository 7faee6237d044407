// One step of the Kalman filter in square-root (array) form.
//
// With P = L L' and J J' = Var(eps_t, R eta_{t+1}) an orthogonal rotation Q from the right takes
//
//   [ J_eps   Z L ]  Q  =  [ F^{1/2}  0  ]     outputs
//   [ J_eta   T L ]        [ K_bar    L+ ]     h_{t+1}
//
// so that F = Var(v_t), K = K_bar F^{-1/2} the gain of the next prediction and P_{t+1} = L+ L+'. Rows of missing
// outputs are left out, noise shared by output and state needs no special case, and every covariance is a product
// B B': symmetric and positive semi-definite by construction (Kailath, Sayed and Hassibi 2000, ch. 12; Anderson and
// Moore 1979, sec. 6.5).
//
// Where filtered and smoothed moments are wanted, parts of Q itself are kept. The state is h_t = a_t + L z and the
// noise (eps_t, eta_{t+1}) = J0 n with z, n standard normal; given w_t = F^{-1/2} v_t and the standardised next state
// error z+ = L+^{-1} (h_{t+1} - a_{t+1}),
//
//   z = X w_t + Phi z_f,   z_f = Psi z+ + rest,   n = X_n w_t + Y_n z+ + rest,      Lf = L Phi.
//
// All of these are bounded by one, whatever the scale or the condition of F.
//
// Where all noise is that of the outputs (the innovations form: J is (p + m) x p, J_eta = G J_eps), P_{t+1} = A Pf A'
// with A = T - G Z, and a Cholesky factor of I + B'B, B = J_eps^{-1} Z L, does the same with a third of the work:
//
//   I + B'B = C C',   Lf = L C^{-T},   L+ = A Lf,   Y = B C^{-T},   K = G + L+ Y' J_eps^{-1},
//   I + B B' = E E',  F^{1/2} = J_eps E.
//
// It is taken while B is not large; with nearly exact outputs the rotation keeps more digits.
#pragma once

#include <utility>

#include "system.hpp"

namespace rnnstats {

template <int M, int P>
struct ArrayStep {
    const System& s;
    const Noise& noise;
    const Dim<M> m;
    const Dim<P> p;
    std::vector<double> store;
    double *F12, *F12i, *K_bar, *K, *L_next, *W, *ZL, *TL, *tau;
    double *Kf, *Lf, *X, *Phi, *Psi, *Xn, *Yn;  // only where filtered moments are wanted
    const SparseRows T_rows, Z_rows;
    bool shared_noise = false;  // all noise is that of the outputs
    std::vector<double> shared_store;
    double *Je, *Ji, *JZ, *G, *A, *B, *C, *E, *Ei, *Y;
    std::vector<int> rows;  // observed outputs of the current step

    ArrayStep(const System& system, const Noise& shared) : s(system), noise(shared), m(system.m), p(system.p), T_rows(M > 0 ? 0 : system.m, system.m, system.T),
          Z_rows(M > 0 ? 0 : system.p, system.m, system.Z) {
        const int mm = m * m, mp = m * p, pp = p * p, q = noise.q, wide = (p + 3 * m + q) * (q + m);
        store.assign(2 * pp + 5 * mp + 6 * mm + q * p + q * m + wide + lq_workspace(p + 2 * m), 0.0);
        double* at = store.data();
        auto take = [&at](int size) { return std::exchange(at, at + size); };
        F12 = take(pp), F12i = take(pp), K_bar = take(mp), K = take(mp), Kf = take(mp), ZL = take(mp), X = take(mp);
        Lf = take(mm), L_next = take(mm), TL = take(mm), Phi = take(mm), Psi = take(mm), Xn = take(q * p);
        Yn = take(q * m), W = take(wide), tau = at;
        rows.resize(p);
        prepare_shared();
    }

    // Leaves F12, F12i (o x o), K (zero columns at missing outputs) and L_next.
    // Returns false where the innovation covariance is not positive definite.
    bool run(const double* L, int observed) {
        if (shared_noise && observed == p && cholesky_step(L)) return true;
        if constexpr (M > 0) {
            if (observed == p && noise.q == P) return rotate(L, p, Dim<P + M>());
            if (observed == p && noise.q == P + M) return rotate(L, p, Dim<P + 2 * M>());
        }
        return rotate(L, Dim<0>(observed), Dim<0>(noise.q + m));
    }

    // The same with Kf (zero columns at missing outputs), Lf, X, Phi, Psi, Xn, Yn (packed: o columns in X and Xn).
    bool run_full(const double* L, int observed) {
        const int o = observed, q = noise.q, cols = q + m;
        if (o > cols) return false;
        times_L(L);
        fill(Dim<0>(o), Dim<0>(cols));
        double *state = W + o * cols, *bottom = state + m * cols, *noises = bottom + m * cols;
        std::copy_backward(state, state + m * cols, state + 2 * m * cols);  // h_{t+1} below the unit rows of z
        zero(m * cols, state);
        for (int i = 0; i < m; ++i) state[i * cols + q + i] = 1.0;
        zero(q * cols, noises);
        for (int i = 0; i < q; ++i) noises[i * cols + i] = 1.0;
        eliminate(Dim<0>(o + 2 * m + q), Dim<0>(cols), std::min<int>(o + m, cols), W);
        if (!gain(Dim<0>(o), Dim<0>(cols), bottom)) return false;
        block(m, o, cols, state, 0, X);
        block(m, m, cols, state, o, Phi);
        block(q, o, cols, noises, 0, Xn);
        next_factor(o, cols, bottom, noises);
        mul_nn<Put::set>(m, m, m, L, Phi, Lf);
        filtered_gain(L, o);
        return true;
    }

   private:
    void prepare_shared() {
        if (noise.q != p) return;
        const double* J = noise.J.data();
        for (int i = 0; i < p; ++i)
            if (!(J[i * p + i] > 0.0)) return;
        shared_noise = true;
        const int mm = m * m, mp = m * p, pp = p * p;
        shared_store.assign(4 * pp + 4 * mp + 2 * mm, 0.0);
        double* at = shared_store.data();
        auto take = [&at](int size) { return std::exchange(at, at + size); };
        Je = take(pp), Ji = take(pp), E = take(pp), Ei = take(pp), JZ = take(mp), G = take(mp), B = take(mp);
        Y = take(mp), A = take(mm), C = take(mm);
        copy(pp, J, Je);
        invert_lower(p, Je, Ji);
        mul_nn<Put::set>(p, m, p, Ji, s.Z, JZ);
        mul_nn<Put::set>(m, p, p, J + pp, Ji, G);
        copy(mm, s.T, A);
        mul_nn<Put::sub>(m, m, p, G, s.Z, A);
    }

    // Leaves what run() leaves; false where B is large.
    bool cholesky_step(const double* L) {
        mul_nn<Put::set>(p, m, m, JZ, L, B);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j <= i; ++j) {
                double sum = i == j ? 1.0 : 0.0;
                for (int l = 0; l < p; ++l) sum += B[l * m + i] * B[l * m + j];
                if (!(std::fabs(sum) < 1e3)) return false;
                C[i * m + j] = sum;
            }
        cholesky_in_place(m, C);
        divide_by_transpose(m, m, C, L, TL);  // Lf
        divide_by_transpose(p, m, C, B, Y);
        mul_nn<Put::set>(m, m, m, A, TL, L_next);
        for (int i = 0; i < p; ++i)
            for (int j = 0; j <= i; ++j) E[i * p + j] = (i == j ? 1.0 : 0.0) + dot(m, B + i * m, B + j * m);
        cholesky_in_place(p, E);
        invert_lower(p, E, Ei);
        for (int i = 0; i < p; ++i)
            for (int j = 0; j < p; ++j) {
                double root = 0.0, inverse = 0.0;
                for (int l = j; l <= i; ++l) root += Je[i * p + l] * E[l * p + j], inverse += Ei[i * p + l] * Ji[l * p + j];
                F12[i * p + j] = root, F12i[i * p + j] = inverse;
            }
        mul_nt<Put::set>(m, p, m, L_next, Y, K_bar);
        copy(m * p, G, K);
        mul_nn<Put::add>(m, p, p, K_bar, Ji, K);
        return true;
    }

    template <class N>
    static void cholesky_in_place(N n, double* S) {  // lower triangle of a matrix that is at least I
        for (int j = 0; j < n; ++j) {
            for (int i = j; i < n; ++i) {
                double sum = S[i * n + j];
                for (int l = 0; l < j; ++l) sum -= S[i * n + l] * S[j * n + l];
                S[i * n + j] = sum;
            }
            const double root = std::sqrt(S[j * n + j]), inverse = 1.0 / root;
            S[j * n + j] = root;
            for (int i = j + 1; i < n; ++i) S[i * n + j] *= inverse;
        }
    }

    template <class R, class N>
    static void divide_by_transpose(R rows_, N n, const double* G, const double* from, double* X) {  // X G' = from
        for (int j = 0; j < n; ++j) {
            const double inverse = 1.0 / G[j * n + j];
            for (int i = 0; i < rows_; ++i) {
                double sum = from[i * n + j];
                for (int l = 0; l < j; ++l) sum -= X[i * n + l] * G[j * n + l];
                X[i * n + j] = sum * inverse;
            }
        }
    }

    void times_L(const double* L) {
        if (M == 0 && T_rows.few) T_rows.times(m, L, TL);
        else mul_nn<Put::set>(m, m, m, s.T, L, TL);
        if (M == 0 && Z_rows.few) Z_rows.times(m, L, ZL);
        else mul_nn<Put::set>(p, m, m, s.Z, L, ZL);
    }

    // Rows of the observed outputs, then of h_{t+1}.
    template <class O, class Cols>
    void fill(O o, Cols cols) {
        const int q = cols - m;
        const bool all = o == p;
        for (int i = 0; i < o; ++i) {
            const int row = all ? i : rows[i];
            copy(q, &noise.J[row * q], W + i * cols);
            copy(m, ZL + row * m, W + i * cols + q);
        }
        for (int i = 0; i < m; ++i) {
            copy(q, &noise.J[(p + i) * q], W + (o + i) * cols);
            copy(m, TL + i * m, W + (o + i) * cols + q);
        }
    }

    template <class O, class Cols>
    bool rotate(const double* L, O o, Cols cols) {
        if (o > cols) return false;
        times_L(L);
        fill(o, cols);
        if constexpr (is_fixed<Cols>) lq_in_place(Dim<M + P>(), cols, W, tau);
        else lq_in_place(Dim<0>(o + m), cols, W, tau);
        const double* bottom = W + o * cols;
        if (!gain(o, cols, bottom)) return false;
        block(m, m, cols, bottom, o, L_next);
        return true;
    }

    // F12, its inverse and K from the rotated rows.
    template <class O, class Cols>
    bool gain(O o, Cols cols, const double* bottom) {
        for (int i = 0; i < o; ++i) {
            double size = 0.0;
            for (int j = 0; j <= i; ++j) size += std::fabs(W[i * cols + j]);
            if (!(W[i * cols + i] > 1e-14 * size) || !std::isfinite(size)) return false;
            for (int j = 0; j < o; ++j) F12[i * o + j] = j <= i ? W[i * cols + j] : 0.0;
        }
        invert_lower(o, F12, F12i);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < o; ++j) K_bar[i * o + j] = bottom[i * cols + j];
        spread(o, K_bar, K);
        return true;
    }

    // gain (m x p) = bar (m x o) F^{-1/2}, zero at missing outputs.
    template <class O>
    void spread(O o, const double* bar, double* gain) {
        if (o == p) {
            mul_nn<Put::set>(m, o, o, bar, F12i, gain);
            return;
        }
        zero(m * p, gain);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < o; ++j) {
                double sum = 0.0;
                for (int l = j; l < o; ++l) sum += bar[i * o + l] * F12i[l * o + j];
                gain[i * p + rows[j]] = sum;
            }
    }

    void filtered_gain(const double* L, int o) {
        mul_nn<Put::set>(Dim<0>(m), Dim<0>(o), Dim<0>(m), L, X, K_bar);
        spread(Dim<0>(o), K_bar, Kf);
    }

    // Columns first, first + 1, ... (zero past the last) of `rows_` rows of a matrix.
    template <class Rows, class Count, class Cols>
    void block(Rows rows_, Count count, Cols cols, const double* from, int first, double* to) const {
        for (int i = 0; i < rows_; ++i)
            for (int j = 0; j < count; ++j) to[i * count + j] = first + j < cols ? from[i * cols + first + j] : 0.0;
    }

    // [C D] of h_{t+1} into L+, the same rotation of the unit rows of z_f and of the noise: Psi and Yn.
    void next_factor(int o, int cols, const double* bottom, const double* noises) {
        const int q = noise.q, wide = cols - o;
        std::vector<double> V((2 * m + q) * std::max(wide, 1), 0.0);
        for (int i = 0; i < m; ++i) {
            copy(wide, bottom + i * cols + o, &V[i * wide]);
            if (i < wide) V[(m + i) * wide + i] = 1.0;
        }
        for (int i = 0; i < q; ++i) copy(wide, noises + i * cols + o, &V[(2 * m + i) * wide]);
        eliminate(Dim<0>(2 * m + q), Dim<0>(wide), std::min<int>(m, wide), V.data());
        block(m, m, wide, V.data(), 0, L_next);
        block(m, m, wide, &V[m * wide], 0, Psi);
        block(q, m, wide, &V[2 * m * wide], 0, Yn);
    }

    template <class Rows, class Cols>
    static void eliminate(Rows rows_, Cols cols, int steps, double* matrix) {
        reflect_rows(rows_, cols, matrix, steps);
    }
};

}  // namespace rnnstats

// Exact score: reverse pass over a Tape.
//
// r_t and N_t are the adjoints of the predicted mean and (as -2 d/dP = N - r r') covariance of h_{t+1}; they obey the
// disturbance smoother's recursions (Koopman and Shephard 1992; Durbin and Koopman 2012, sec. 4.5 and 7.3.3), here with
// noise shared between output t and the step into t+1. With u = e - K'r, D = F^{-1} + K'N K, B = r u' + N K:
//
//   dl/dH  = (uu' - D)/2      dl/d(RS) = B         dl/d(RQR') = (rr' - N)/2      dl/dc = r      dl/dd = u
//   dl/dT  = r a' + (rr' - N) T P + B Z P           dl/dZ = u a' + (uu' - D) Z P + B' T P
//   r <- Z'u + T'r,   N <- Z'F^{-1}Z + L'N L,   L = T - K Z.
//
// A diffuse start adds one column per diffuse element with zero data: every outer product is summed over the columns.
// Rows that share a gain are gathered first: their cost is that of the outer products alone.
#pragma once

#include "forward.hpp"

namespace rnnstats {

struct Gradient {
    double *Z, *H, *T, *R, *Q, *S, *mean0, *cov0, *d, *c;  // same layout as the system's arrays; zeroed by the caller
};

// State of the backward pass at the end of the diffuse phase, rewritten for the proper (uncollapsed) filter:
// N, the estimate of delta given all rows, and the columns a_c = A S_n^{-1/2} with adjoints r_c.
struct DiffuseTerminal {
    std::vector<double> delta, root;  // d, d x rank: S_n^{-1} = root root'
    std::vector<double> columns;      // rank x m, adjoint of each column
    int rank = 0;

    void build(const DiffuseRecord& record, int m, const double* r, double* N) {
        const int d = record.d, steps = record.steps;
        const double* A = record.A.data() + static_cast<size_t>(steps) * m * d;
        const double* X = record.root.data() + static_cast<size_t>(steps) * d * d;
        rank = record.rank[steps];
        delta.assign(record.delta.end() - d, record.delta.end());
        root.assign(d * rank, 0.0);
        columns.assign(rank * m, 0.0);
        if (!record.collapsed) {
            for (int i = 0; i < d; ++i) copy(rank, X + i * d, &root[i * rank]);
            return;
        }
        // B = A X, W = B'N B, I - W = G G':  delta_n = delta + X B'r,  S_n^{-1/2} = X G,  r_c = -N B G^{-T},
        // N of the proper filter = N + (N B)(I - W)^{-1}(N B)'.
        const Dim<0> dm(m), dd(d);
        std::vector<double> B(m * d), NB(m * d), W(d * d), G(d * d), Gi(d * d), shift(d);
        mul_nn<Put::set>(dm, dd, dd, A, X, B.data());
        mul_nn<Put::set>(dm, dd, dm, N, B.data(), NB.data());
        mul_tn<Put::set>(dd, dd, dm, B.data(), NB.data(), W.data());
        for (int i = 0; i < d * d; ++i) W[i] = -W[i];
        for (int i = 0; i < d; ++i) W[i * d + i] += 1.0;
        psd_factor(d, W.data(), G.data(), 0.0);
        mul_tv<Put::set>(dd, dm, B.data(), r, shift.data());
        mul_v<Put::add>(dd, dd, X, shift.data(), delta.data());
        mul_nn<Put::set>(dd, dd, dd, X, G.data(), root.data());
        invert_lower(dd, G.data(), Gi.data());
        mul_nt<Put::set>(dd, dm, dd, Gi.data(), NB.data(), columns.data());
        mul_tn<Put::add>(dm, dm, dd, columns.data(), columns.data(), N);
        symmetrise(dm, N);
        for (double& x : columns) x = -x;
    }
};

template <int M, int P>
class Adjoint {
   public:
    Adjoint(const System& system, const Noise& shared, const FirstMoments& moments, const Tape& record)
        : s(system), noise(shared), first(moments), tape(record), m(system.m), p(system.p) {
        const int mm = m * m, mp = m * p, pp = p * p;
        store.assign(11 * mm + 8 * mp + 3 * pp + 3 * m + 3 * p, 0.0);
        if constexpr (!direct) {
            block_left.resize(block_rows * (m + p)), block_right.resize(block_rows * (2 * m + p));
            block_product.resize((m + p) * (2 * m + p));
        }
        double* at = store.data();
        auto take = [&at](int size) { return std::exchange(at, at + size); };
        N = take(mm), N_sum = take(mm), rr = take(mm), ra = take(mm), Lc = take(mm), X1 = take(mm), X2 = take(mm);
        W_bar = take(mm), N_old = take(mm), T_bar = take(mm), X3 = take(mm);
        ru = take(mp), ua = take(mp), C_bar = take(mp), B = take(mp), NK = take(mp), ZP = take(mp), FZ = take(mp);
        Z_bar = take(mp);
        uu = take(pp), D = take(pp), H_bar = take(pp);
        r = take(m), r_new = take(m), a_col = take(m), u = take(p), e_col = take(p), v_col = take(p);
    }

    void run(const Gradient& out) {
        const int phase = tape.diffuse.steps;
        int t = s.n - 1;
        while (t >= phase) t = constant_gain(t, phase, out);
        if (first.d > 0) diffuse(out);
        start(out);
        finish(out);
    }

   private:
    const System& s;
    const Noise& noise;
    const FirstMoments& first;
    const Tape& tape;
    const Dim<M> m;
    const Dim<P> p;
    std::vector<double> store;
    double *N, *N_sum, *rr, *ra, *Lc, *X1, *X2, *W_bar, *N_old, *T_bar, *X3, *ru, *ua, *C_bar, *B, *NK, *ZP, *FZ,
        *Z_bar, *uu, *D, *H_bar, *r, *r_new, *a_col, *u, *e_col, *v_col;
    static constexpr bool direct = M > 0 && M <= 3;  // few states: outer products at once, not in blocks
    static constexpr int block_rows = 64;
    std::vector<double> block_left, block_right, block_product;
    int waiting = 0;
    const double* gain = nullptr;
    DiffuseTerminal terminal;
    std::vector<double> col_r;

    // All rows t, t-1, ... >= low that share the gain of row t; returns the first row not taken.
    int constant_gain(int t, int low, const Gradient& out) {
        const int slot = tape.slot[t];
        load(slot);
        SteadyTest test;
        test.rounding = 1e-11;  // N gathers the rounding of many products
        bool frozen = false;
        int frozen_rows = 0;
        zero(m * m, rr), zero(m * m, ra), zero(m * m, N_sum), zero(m * p, ru), zero(m * p, ua), zero(p * p, uu);
        int rows = 0;
        for (; t >= low && tape.slot[t] == slot; --t, ++rows) {
            accumulate(tape.e.data() + static_cast<size_t>(t) * p, tape.a.data() + static_cast<size_t>(t) * m, r);
            emit(t, out);
            if (frozen) {
                ++frozen_rows;
            } else {
                add(m * m, N, N_sum);
                const bool repeat = t > low && tape.slot[t - 1] == slot;
                if (repeat) copy(m * m, N, N_old);
                step_N();
                frozen = s.steady && repeat && test.settled(change());
            }
        }
        for (int i = 0; i < m * m; ++i) N_sum[i] += frozen_rows * N[i];
        contribute(rows);
        return t;
    }

    void load(int slot) {
        gain = tape.slots.data() + static_cast<size_t>(slot) * tape.layout.size;
        const double *K = gain + tape.layout.K, *Finv = gain + tape.layout.Finv;
        copy(m * m, s.T, Lc);
        mul_nn<Put::sub>(m, m, p, K, s.Z, Lc);
        mul_nn<Put::set>(p, m, p, Finv, s.Z, FZ);
    }

    // r <- Z'u + T'r with u = e - K'r, and the outer products of one row (or one column of a row).
    void accumulate(const double* e, const double* a, double* adjoint) {
        const double* K = gain + tape.layout.K;
        for (int i = 0; i < p; ++i) u[i] = e[i];
        mul_tv<Put::sub>(p, m, K, adjoint, u);
        if constexpr (direct) {
            add_outer(m, m, adjoint, adjoint, rr);
            add_outer(m, m, adjoint, a, ra);
            add_outer(m, p, adjoint, u, ru);
            add_outer(p, m, u, a, ua);
            add_outer(p, p, u, u, uu);
        } else {
            collect(adjoint, a);
        }
        mul_tv<Put::set>(m, p, s.Z, u, r_new);
        mul_tv<Put::add>(m, m, s.T, adjoint, r_new);
        copy(m, r_new, adjoint);
    }

    // More states: the rows (r, u) and (r, u, a) wait in a block, whose product has all five sums of outer products.
    void collect(const double* adjoint, const double* a) {
        const int left = m + p, right = 2 * m + p;
        if (waiting == block_rows) gather();
        double *x = &block_left[waiting * left], *y = &block_right[waiting * right];
        copy(m, adjoint, x), copy(p, u, x + m);
        copy(left, x, y), copy(m, a, y + left);
        ++waiting;
    }

    void gather() {
        const int left = m + p, right = 2 * m + p;
        mul_tn<Put::set>(Dim<0>(left), Dim<0>(right), Dim<0>(waiting), block_left.data(), block_right.data(),
                         block_product.data());
        waiting = 0;
        for (int i = 0; i < left; ++i) {
            const double* row = &block_product[i * right];
            double *with_r = i < m ? rr + i * m : nullptr, *with_u = i < m ? ru + i * p : uu + (i - m) * p,
                   *with_a = i < m ? ra + i * m : ua + (i - m) * m;
            if (with_r) add(m, row, with_r);
            add(p, row + m, with_u);
            add(m, row + left, with_a);
        }
    }

    // Gradients of the intercepts: u of row t, and r (now the adjoint of a_t) for the step into t.
    void emit(int t, const Gradient& out) {
        double* d = out.d + (s.d_varies ? static_cast<size_t>(t) * p : 0);
        for (int i = 0; i < p; ++i) d[i] += u[i];
        if (t == 0) return;
        double* c = out.c + (s.c_varies ? static_cast<size_t>(t) * m : 0);
        for (int i = 0; i < m; ++i) c[i] += r[i];
    }

    void step_N() {
        mul_nn<Put::set>(m, m, m, N, Lc, X1);
        mul_tn<Put::set>(m, m, m, Lc, X1, N);
        mul_tn<Put::add>(m, m, p, s.Z, FZ, N);
        symmetrise(m, N);
    }

    double change() {
        double largest = 0.0;
        for (int i = 0; i < m; ++i)
            for (int j = 0; j <= i; ++j) {
                const double gap = std::fabs(N[i * m + j] - N_old[i * m + j]);
                if (gap > 0.0) largest = std::max(largest, gap / std::sqrt(N[i * m + i] * N[j * m + j]));
            }
        return largest;
    }

    // Matrix gradients of the gathered rows, all with the gain loaded last.
    void contribute(int rows) {
        if (waiting > 0) gather();
        const double *K = gain + tape.layout.K, *Finv = gain + tape.layout.Finv, *Pt = gain + tape.layout.P;
        mul_nn<Put::set>(m, p, m, N_sum, K, NK);
        mul_tn<Put::set>(p, p, m, K, NK, D);
        for (int i = 0; i < p * p; ++i) D[i] = uu[i] - D[i] - rows * Finv[i];
        for (int i = 0; i < m * p; ++i) B[i] = ru[i] + NK[i];
        for (int i = 0; i < m * m; ++i) X3[i] = rr[i] - N_sum[i];
        for (int i = 0; i < p * p; ++i) H_bar[i] += 0.5 * D[i];
        for (int i = 0; i < m * m; ++i) W_bar[i] += 0.5 * X3[i];
        add(m * p, B, C_bar);
        mul_nn<Put::set>(p, m, m, s.Z, Pt, ZP);
        mul_nn<Put::set>(m, m, m, s.T, Pt, X1);
        add(m * m, ra, T_bar);
        mul_nn<Put::add>(m, m, m, X3, X1, T_bar);
        mul_nn<Put::add>(m, m, p, B, ZP, T_bar);
        add(m * p, ua, Z_bar);
        mul_nn<Put::add>(p, m, p, D, ZP, Z_bar);
        mul_tn<Put::add>(p, m, m, B, X1, Z_bar);
    }

    void diffuse(const Gradient& out) {
        const DiffuseRecord& record = tape.diffuse;
        const int d = first.d;
        terminal.build(record, m, r, N);
        col_r = terminal.columns;
        const int k = terminal.rank;
        std::vector<double> a_all(m * k), shift(m);
        for (int t = record.steps - 1; t >= 0; --t) {
            load(tape.slot[t]);
            zero(m * m, rr), zero(m * m, ra), zero(m * p, ru), zero(m * p, ua), zero(p * p, uu);
            copy(m * m, N, N_sum);
            const double* A = record.A.data() + static_cast<size_t>(t) * m * d;
            mul_nn<Put::set>(Dim<0>(m), Dim<0>(k), Dim<0>(d), A, terminal.root.data(), a_all.data());
            for (int col = 0; col < k; ++col) {
                for (int i = 0; i < m; ++i) a_col[i] = a_all[i * k + col];
                mul_v<Put::set>(p, m, FZ, a_col, e_col);
                for (int i = 0; i < p; ++i) e_col[i] = -e_col[i];
                accumulate(e_col, a_col, &col_r[col * m]);
            }
            mul_v<Put::set>(Dim<0>(m), Dim<0>(d), A, terminal.delta.data(), shift.data());
            mul_v<Put::set>(p, m, FZ, shift.data(), v_col);
            for (int i = 0; i < p; ++i) e_col[i] = tape.e[static_cast<size_t>(t) * p + i] - v_col[i];
            for (int i = 0; i < m; ++i) a_col[i] = tape.a[static_cast<size_t>(t) * m + i] + shift[i];
            accumulate(e_col, a_col, r);
            emit(t, out);
            step_N();
            contribute(1);
        }
    }

    // From the first predicted state back to what it was made of.
    void start(const Gradient& out) {
        double* G2 = X2;  // rr' - N at the first predicted state
        for (int i = 0; i < m * m; ++i) G2[i] = -N[i];
        add_outer(m, m, r, r, G2);
        const int k = terminal.rank;
        for (int col = 0; col < k; ++col) add_outer(m, m, &col_r[col * m], &col_r[col * m], G2);
        if (s.start == Start::stationary) return stationary(G2, out);
        if (s.first_step == FirstStep::none) {
            add(m, r, out.mean0);
            for (int i = 0; i < m * m; ++i) out.cov0[i] += 0.5 * G2[i];
            return;
        }
        add(m, r, out.c);
        mul_tv<Put::add>(m, m, s.T, r, out.mean0);
        mul_nn<Put::set>(m, m, m, G2, s.T, X1);
        mul_tn<Put::set>(m, m, m, s.T, X1, X3);
        for (int i = 0; i < m * m; ++i) out.cov0[i] += 0.5 * X3[i];
        mul_nn<Put::set>(m, m, m, s.T, first.P0.data(), X1);
        mul_nn<Put::add>(m, m, m, G2, X1, T_bar);
        if (s.first_step == FirstStep::noisy)
            for (int i = 0; i < m * m; ++i) W_bar[i] += 0.5 * G2[i];
        starting_means();
    }

    // dl/dT through a_1 = T h_0 for the data column and each diffuse column.
    void starting_means() {
        const int d = first.d, k = terminal.rank;
        std::vector<double> h0(first.mean0);
        for (int j = 0; j < d; ++j)
            for (int i = 0; i < m; ++i)
                h0[i] += first.E[i * d + j] * (tape.diffuse.delta_0[j] + terminal.delta[j]);
        add_outer(m, m, r, h0.data(), T_bar);
        for (int col = 0; col < k; ++col) {
            std::fill(h0.begin(), h0.end(), 0.0);
            for (int j = 0; j < d; ++j)
                for (int i = 0; i < m; ++i) h0[i] += first.E[i * d + j] * terminal.root[j * k + col];
            add_outer(m, m, &col_r[col * m], h0.data(), T_bar);
        }
    }

    // P_0 = T P_0 T' + W: X = T'X T + G2/2 gives dl/dW = X, dl/dT = 2 X T P_0; mean_0 = (I - T)^{-1} c_1.
    void stationary(double* G2, const Gradient& out) {
        for (int i = 0; i < m * m; ++i) G2[i] *= 0.5;
        lyapunov(m, s.T, G2, 1, true);
        add(m * m, G2, W_bar);
        mul_nn<Put::set>(m, m, m, s.T, first.P0.data(), X1);
        for (int i = 0; i < m * m; ++i) G2[i] *= 2.0;
        mul_nn<Put::add>(m, m, m, G2, X1, T_bar);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < m; ++j) X1[i * m + j] = (i == j ? 1.0 : 0.0) - s.T[j * m + i];
        solve_in_place(m, X1, r, 1);
        add(m, r, out.c);
        add_outer(m, m, r, first.mean0.data(), T_bar);
    }

    void finish(const Gradient& out) {
        const Dim<0> dr(s.r);
        const int k = s.r;
        std::vector<double> WR(m * k), work(m * k);
        copy(p * m, Z_bar, out.Z);
        copy(p * p, H_bar, out.H);
        copy(m * m, T_bar, out.T);
        symmetrise(m, W_bar);
        mul_nn<Put::set>(m, dr, m, W_bar, s.R, WR.data());
        mul_tn<Put::set>(dr, dr, m, s.R, WR.data(), out.Q);
        symmetrise(dr, out.Q);
        mul_tn<Put::set>(dr, p, m, s.R, C_bar, out.S);
        mul_nn<Put::set>(m, dr, m, W_bar, noise.RQ.data(), work.data());
        for (int i = 0; i < m * k; ++i) out.R[i] = 2.0 * work[i];
        // dl/dR = 2 W_bar R Q + C_bar S'
        mul_nt<Put::add>(m, dr, p, C_bar, s.S, out.R);
    }
};

}  // namespace rnnstats

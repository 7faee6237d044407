// Tangent filter: exact per-observation scores and expected information along k directions.
//
// Every derivative array carries the direction as its last axis, so that inner loops run over directions.
//   dF = d(Z P Z') + dH,  dM = d(T P Z') + d(RS),  dK = (dM - K dF) F^{-1}
//   dl_t = -1/2 tr(F^{-1} dF) - e'dv + 1/2 e'dF e,      dv = -(dZ a + Z da + dd)
//   da <- dT a + T da + dc + dK v + K dv,   dP <- d(T P T') + d(RQR') - dM K' - K dM' + K dF K'
// Expected information: sum_t dv_i'F^{-1}dv_j + 1/2 tr(F^{-1} dF_i F^{-1} dF_j) (Harvey 1989, eq. 3.4.69).
#pragma once

#include "forward.hpp"

namespace rnnstats {

struct Directions {  // (k, size of the matrix), row-major; intercepts (k, rows, size) with rows = 1 or n
    int k;
    const double *Z, *H, *T, *R, *Q, *S, *mean0, *cov0;
    size_t stride;  // distance between two directions in the matrix arrays
    const double *d, *c;
};

class Tangent {
   public:
    Tangent(const System& system, const Noise& shared, const FirstMoments& moments, const Tape& record,
            const Directions& directions)
        : s(system), noise(shared), first(moments), tape(record), by(directions), m(system.m), p(system.p),
          k(directions.k) {
        load();
        const size_t mm = m * m * k, mp = m * p * k, pp = p * p * k;
        for (auto* x : {&dP, &dP_next, &dP_top, &X1, &X2}) x->assign(mm, 0.0);
        for (auto* x : {&dM, &dK, &Y1, &Y2}) x->assign(mp, 0.0);
        dF.assign(pp, 0.0), E1.assign(pp, 0.0), trace.assign(k, 0.0), quad.assign(k, 0.0);
        da.assign(m * k, 0.0), da_next.assign(m * k, 0.0), dv.assign(p * k, 0.0), v.assign(p, 0.0), Fe.assign(p, 0.0);
        root.assign(p * p, 0.0);
        info_F.assign(k * k, 0.0);
    }

    // scores (n, k) and information (k, k), either may be null; zeroed by the caller.
    Status run(const double* y, double* scores, double* information) {
        const Status status = start();
        if (status != Status::ok) return status;
        int t = 0;
        if (first.d > 0) t = diffuse_phase(y, scores);
        int slot = -1;
        settled_ = false;
        SteadyTest test;
        for (; t < s.n; ++t) {
            if (tape.slot[t] != slot) {
                flush(information);
                slot = tape.slot[t], settled_ = false;
                test.restart();
                gain(slot, information != nullptr);
            }
            if (!settled_) covariance(information);
            means(t, y, scores ? scores + static_cast<size_t>(t) * k : nullptr, information);
            if (!settled_) {
                const bool repeat = t + 1 < s.n && tape.slot[t + 1] == slot;
                settled_ = s.steady && repeat && test.settled(change());
                dP.swap(dP_next);
            }
            ++rows_;
        }
        flush(information);
        if (information)
            for (int i = 0; i < k; ++i)
                for (int j = 0; j < i; ++j) information[j * k + i] = information[i * k + j];
        return Status::ok;
    }

   private:
    const System& s;
    const Noise& noise;
    const FirstMoments& first;
    const Tape& tape;
    const Directions& by;
    const int m, p, k;
    std::vector<double> dZ, dH, dT, dW, dC, dmean0, dcov0;
    std::vector<double> dP, dP_next, dP_top, dM, dK, dF, X1, X2, Y1, Y2, E1, da, da_next, dv, v, Fe, trace, quad;
    std::vector<double> info_F, root, PZ, TP, ddt, dct;
    const double *K = nullptr, *Finv = nullptr, *Pt = nullptr;
    bool settled_ = false;
    long rows_ = 0;

    // --- products with a trailing direction axis -------------------------------------------------------------------
    // C (i, j, k) += A (i x l) X (l, j, k)
    void left(int i, int l, int j, const double* A, const double* X, double* C, double sign = 1.0) const {
        const int wide = j * k;
        for (int a = 0; a < i; ++a)
            for (int b = 0; b < l; ++b) {
                const double weight = sign * A[a * l + b];
                if (weight == 0.0) continue;
                const double* x = X + b * wide;
                double* c = C + a * wide;
                for (int y = 0; y < wide; ++y) c[y] += weight * x[y];
            }
    }
    // C (i, j, k) += X (i, l, k) B' with B (j x l)
    void right_t(int i, int l, int j, const double* X, const double* B, double* C, double sign = 1.0) const {
        for (int a = 0; a < i; ++a)
            for (int y = 0; y < j; ++y)
                for (int b = 0; b < l; ++b) {
                    const double weight = sign * B[y * l + b];
                    if (weight == 0.0) continue;
                    axpy(weight, X + (a * l + b) * k, C + (a * j + y) * k);
                }
    }
    // C (i, j, k) += X (i, l, k) B with B (l x j)
    void right(int i, int l, int j, const double* X, const double* B, double* C, double sign = 1.0) const {
        for (int a = 0; a < i; ++a)
            for (int b = 0; b < l; ++b)
                for (int y = 0; y < j; ++y) {
                    const double weight = sign * B[b * j + y];
                    if (weight == 0.0) continue;
                    axpy(weight, X + (a * l + b) * k, C + (a * j + y) * k);
                }
    }
    // C (i, i, k) += X + X'
    void add_both(int i, const double* X, double* C, double sign = 1.0) const {
        for (int a = 0; a < i; ++a)
            for (int b = 0; b < i; ++b) {
                axpy(sign, X + (a * i + b) * k, C + (a * i + b) * k);
                axpy(sign, X + (a * i + b) * k, C + (b * i + a) * k);
            }
    }
    void transpose(int i, int j, const double* X, double* C) const {
        for (int a = 0; a < i; ++a)
            for (int b = 0; b < j; ++b) copy(k, X + (a * j + b) * k, C + (b * i + a) * k);
    }
    void axpy(double weight, const double* x, double* y) const {
        for (int i = 0; i < k; ++i) y[i] += weight * x[i];
    }

    // --- directions ------------------------------------------------------------------------------------------------
    std::vector<double> turned(const double* x, int size) const {
        std::vector<double> out(static_cast<size_t>(size) * k);
        for (int j = 0; j < k; ++j)
            for (int i = 0; i < size; ++i) out[i * k + j] = x[j * by.stride + i];
        return out;
    }

    void load() {
        const int r = s.r;
        dZ = turned(by.Z, p * m), dH = turned(by.H, p * p), dT = turned(by.T, m * m);
        dmean0 = turned(by.mean0, m), dcov0 = turned(by.cov0, m * m);
        const std::vector<double> dR = turned(by.R, m * r), dQ = turned(by.Q, r * r), dS = turned(by.S, r * p);
        std::vector<double> half(m * m * k, 0.0), RdQ(m * r * k, 0.0);
        dW.assign(m * m * k, 0.0), dC.assign(m * p * k, 0.0);
        right_t(m, r, m, dR.data(), noise.RQ.data(), half.data());  // dR Q R'
        add_both(m, half.data(), dW.data());
        left(m, r, r, s.R, dQ.data(), RdQ.data());
        right_t(m, r, m, RdQ.data(), s.R, dW.data());
        right(m, r, p, dR.data(), s.S, dC.data());
        left(m, r, p, s.R, dS.data(), dC.data());
        ddt.assign(p * k, 0.0), dct.assign(m * k, 0.0);
        if (!s.d_varies) turn_row(by.d, p, 1, 0, ddt);
        if (!s.c_varies) turn_row(by.c, m, 1, 0, dct);
    }

    void turn_row(const double* x, int size, int rows, int t, std::vector<double>& out) const {
        for (int j = 0; j < k; ++j)
            for (int i = 0; i < size; ++i) out[i * k + j] = x[(static_cast<size_t>(j) * rows + t) * size + i];
    }
    void intercepts(int t) {
        if (s.d_varies && t < s.n) turn_row(by.d, p, s.n, t, ddt);
    }
    void state_intercepts(int t) {
        if (s.c_varies) turn_row(by.c, m, s.n, t < s.n ? t : s.n - 1, dct);
    }

    // --- start -----------------------------------------------------------------------------------------------------
    std::vector<double> dA;

    Status start() {
        const int d = first.d;
        state_intercepts(0);
        if (s.start == Start::stationary) return stationary();
        if (s.first_step == FirstStep::none) {
            da = dmean0, dP = dcov0;
            dA.assign(m * d * k, 0.0);
            return Status::ok;
        }
        std::vector<double> h0(first.mean0);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < d; ++j) h0[i] += first.E[i * d + j] * tape.diffuse.delta_0[j];
        da = dct;
        right(m, m, 1, dT.data(), h0.data(), da.data());
        left(m, m, 1, s.T, dmean0.data(), da.data());
        dA.assign(m * d * k, 0.0);
        if (d > 0) right(m, m, d, dT.data(), first.E.data(), dA.data());
        propagate(dcov0, first.P0.data(), dP);
        if (s.first_step == FirstStep::noisy) add(m * m * k, dW.data(), dP.data());
        return Status::ok;
    }

    // out = dT P T' + T P dT' + T dX T'
    void propagate(const std::vector<double>& dX, const double* P, std::vector<double>& out) {
        std::vector<double> TPt(m * m), half(m * m * k, 0.0), TdX(m * m * k, 0.0);
        const Dim<0> dm(m);
        mul_nn<Put::set>(dm, dm, dm, s.T, P, TPt.data());
        out.assign(m * m * k, 0.0);
        right_t(m, m, m, dT.data(), TPt.data(), half.data());
        add_both(m, half.data(), out.data());
        left(m, m, m, s.T, dX.data(), TdX.data());
        right_t(m, m, m, TdX.data(), s.T, out.data());
    }

    Status stationary() {
        const int mm = m * m;
        propagate(std::vector<double>(mm * k, 0.0), first.P0.data(), dP);
        add(mm * k, dW.data(), dP.data());
        std::vector<double> stacked(mm * k), I_T(mm);
        for (int j = 0; j < k; ++j)
            for (int i = 0; i < mm; ++i) stacked[j * mm + i] = dP[i * k + j];
        const Status status = lyapunov(m, s.T, stacked.data(), k);
        if (status != Status::ok) return status;
        for (int j = 0; j < k; ++j)
            for (int i = 0; i < mm; ++i) dP[i * k + j] = stacked[j * mm + i];
        da = dct;
        right(m, m, 1, dT.data(), first.mean0.data(), da.data());
        for (int i = 0; i < mm; ++i) I_T[i] = -s.T[i];
        for (int i = 0; i < m; ++i) I_T[i * m + i] += 1.0;
        return solve_in_place(m, I_T.data(), da.data(), k) ? Status::ok : Status::not_stationary;
    }

    // --- one gain --------------------------------------------------------------------------------------------------
    void gain(int slot, bool want_root) {
        const double* at = tape.slots.data() + static_cast<size_t>(slot) * tape.layout.size;
        K = at + tape.layout.K, Finv = at + tape.layout.Finv, Pt = at + tape.layout.P;
        PZ.resize(m * p), TP.resize(m * m);
        const Dim<0> dm(m), dp(p);
        mul_nt<Put::set>(dm, dp, dm, Pt, s.Z, PZ.data());
        mul_nn<Put::set>(dm, dm, dm, s.T, Pt, TP.data());
        if (want_root) psd_factor(p, Finv, root.data());
    }

    // dF, dM, dK, tr(F^{-1} dF) and the next dP from the present dP.
    void covariance(double* information) {
        flush(information);
        std::fill(Y1.begin(), Y1.end(), 0.0);
        left(p, m, m, s.Z, dP.data(), Y1.data());  // Z dP
        dF = dH;
        right_t(p, m, p, Y1.data(), s.Z, dF.data());
        std::fill(E1.begin(), E1.end(), 0.0);
        right(p, m, p, dZ.data(), PZ.data(), E1.data());
        add_both(p, E1.data(), dF.data());
        dM = dC;
        right(m, m, p, dT.data(), PZ.data(), dM.data());
        transpose(p, m, Y1.data(), Y2.data());  // dP Z'
        left(m, m, p, s.T, Y2.data(), dM.data());
        std::fill(Y1.begin(), Y1.end(), 0.0);
        right_t(p, m, m, dZ.data(), TP.data(), Y1.data());  // dZ (TP)'
        transpose(p, m, Y1.data(), Y2.data());
        add(m * p * k, Y2.data(), dM.data());
        Y1 = dM;
        left(m, p, p, K, dF.data(), Y1.data(), -1.0);  // dM - K dF
        std::fill(dK.begin(), dK.end(), 0.0);
        right(m, p, p, Y1.data(), Finv, dK.data());
        std::fill(trace.begin(), trace.end(), 0.0);
        for (int i = 0; i < p * p; ++i)
            if (Finv[i] != 0.0) axpy(Finv[i], &dF[i * k], trace.data());
        // dP+ = dT P T' + (.)' + T dP T' + dW - (dM K' + (.)') + K dF K'  with  dM K' - K dF K'/2 = (Y1 + K dF/2) K'
        std::fill(X1.begin(), X1.end(), 0.0);
        right_t(m, m, m, dT.data(), TP.data(), X1.data());
        for (size_t i = 0; i < Y1.size(); ++i) Y2[i] = 0.5 * (Y1[i] + dM[i]);
        right_t(m, p, m, Y2.data(), K, X1.data(), -1.0);
        dP_next = dW;
        add_both(m, X1.data(), dP_next.data());
        std::fill(X2.begin(), X2.end(), 0.0);
        left(m, m, m, s.T, dP.data(), X2.data());
        right_t(m, m, m, X2.data(), s.T, dP_next.data());
    }

    // Change of dP relative to the largest value each direction has had.
    double change() {
        double largest = 0.0;
        for (int j = 0; j < k; ++j) {
            double gap = 0.0;
            for (int i = 0; i < m * m; ++i) {
                dP_top[j] = std::max({dP_top[j], std::fabs(dP[i * k + j]), std::fabs(dW[i * k + j])});
                gap = std::max(gap, std::fabs(dP_next[i * k + j] - dP[i * k + j]));
            }
            if (gap > 0.0) largest = std::max(largest, gap / dP_top[j]);
        }
        return largest;
    }

    void means(int t, const double* y, double* score, double* information) {
        const double *a = &tape.a[static_cast<size_t>(t) * m], *e = &tape.e[static_cast<size_t>(t) * p];
        const double *row = y + static_cast<size_t>(t) * p, *d = s.d_at(t);
        intercepts(t);
        for (int i = 0; i < p; ++i) v[i] = row[i] == row[i] ? row[i] - d[i] - dot(m, s.Z + i * m, a) : 0.0;
        for (int i = 0; i < p * k; ++i) dv[i] = -ddt[i];
        right(p, m, 1, dZ.data(), a, dv.data(), -1.0);
        left(p, m, 1, s.Z, da.data(), dv.data(), -1.0);
        if (score) {
            for (int j = 0; j < k; ++j) score[j] = -0.5 * trace[j];
            for (int i = 0; i < p; ++i) {
                axpy(-e[i], &dv[i * k], score);
                for (int l = 0; l < p; ++l) axpy(0.5 * e[i] * e[l], &dF[(i * p + l) * k], score);
            }
        }
        if (information) {
            for (int c = 0; c < p; ++c) {
                std::fill(quad.begin(), quad.end(), 0.0);
                for (int i = c; i < p; ++i) axpy(root[i * p + c], &dv[i * k], quad.data());
                for (int i = 0; i < k; ++i)
                    if (quad[i] != 0.0)
                        for (int j = 0; j <= i; ++j) information[i * k + j] += quad[i] * quad[j];
            }
        }
        state_intercepts(t + 1);
        da_next = dct;
        right(m, m, 1, dT.data(), a, da_next.data());
        left(m, m, 1, s.T, da.data(), da_next.data());
        right(m, p, 1, dK.data(), v.data(), da_next.data());
        left(m, p, 1, K, dv.data(), da_next.data());
        da.swap(da_next);
    }

    // Information in the innovation covariances for the rows since the last change of dF.
    void flush(double* information) {
        if (information && rows_ > 0) {
            std::vector<double> half(p * p * k, 0.0), both(p * p * k, 0.0), Gt(p * p);
            for (int i = 0; i < p; ++i)
                for (int j = 0; j < p; ++j) Gt[i * p + j] = root[j * p + i];
            left(p, p, p, Gt.data(), dF.data(), half.data());
            right(p, p, p, half.data(), root.data(), both.data());
            for (int c = 0; c < p * p; ++c)
                for (int i = 0; i < k; ++i)
                    for (int j = 0; j <= i; ++j)
                        information[i * k + j] += 0.5 * static_cast<double>(rows_) * both[c * k + i] * both[c * k + j];
        }
        rows_ = 0;
    }

    // --- exact diffuse phase: tangents of the generalised least squares sums ---------------------------------------
    int diffuse_phase(const double* y, double* scores) {
        const DiffuseRecord& record = tape.diffuse;
        const int d = first.d, steps = record.steps;
        std::vector<double> dS(d * d * k, 0.0), ds(d * k, 0.0), dq(k, 0.0), log_det(k, 0.0), before(k, 0.0), now(k);
        std::vector<double> dV(p * d * k), dA_next(m * d * k), V(p * d), E(p * d), FE(p * k);
        for (int t = 0; t < steps; ++t) {
            const double* A = &record.A[static_cast<size_t>(t) * m * d];
            const double* e = &tape.e[static_cast<size_t>(t) * p];
            gain(tape.slot[t], false);
            covariance(nullptr);
            mul_nn<Put::set>(Dim<0>(p), Dim<0>(d), Dim<0>(m), s.Z, A, V.data());
            for (double& x : V) x = -x;
            mul_nn<Put::set>(Dim<0>(p), Dim<0>(d), Dim<0>(p), Finv, V.data(), E.data());
            std::fill(dV.begin(), dV.end(), 0.0);
            right(p, m, d, dZ.data(), A, dV.data(), -1.0);
            left(p, m, d, s.Z, dA.data(), dV.data(), -1.0);
            std::fill(dA_next.begin(), dA_next.end(), 0.0);
            right(m, m, d, dT.data(), A, dA_next.data());
            left(m, m, d, s.T, dA.data(), dA_next.data());
            right(m, p, d, dK.data(), V.data(), dA_next.data());
            left(m, p, d, K, dV.data(), dA_next.data());
            means(t, y, nullptr, nullptr);  // leaves dv of the data column
            add(k, trace.data(), log_det.data());
            for (int i = 0; i < p; ++i) {
                axpy(2.0 * e[i], &dv[i * k], dq.data());
                for (int j = 0; j < d; ++j) {
                    axpy(-e[i], &dV[(i * d + j) * k], &ds[j * k]);
                    axpy(-E[i * d + j], &dv[i * k], &ds[j * k]);
                    for (int l = 0; l < d; ++l) {
                        axpy(E[i * d + l], &dV[(i * d + j) * k], &dS[(j * d + l) * k]);
                        axpy(E[i * d + l], &dV[(i * d + j) * k], &dS[(l * d + j) * k]);
                    }
                }
                for (int c = 0; c < p; ++c) {
                    const double* f = &dF[(i * p + c) * k];
                    axpy(-e[i] * e[c], f, dq.data());
                    for (int j = 0; j < d; ++j) {
                        axpy(E[i * d + j] * e[c], f, &ds[j * k]);
                        for (int l = 0; l < d; ++l) axpy(-E[i * d + j] * E[c * d + l], f, &dS[(j * d + l) * k]);
                    }
                }
            }
            dP.swap(dP_next);
            dA.swap(dA_next);
            if (scores) {
                total(t + 1, dS, ds, dq, log_det, now);
                for (int j = 0; j < k; ++j) scores[static_cast<size_t>(t) * k + j] = now[j] - before[j];
                before = now;
            }
        }
        if (record.collapsed) collapse(dS, ds);
        rows_ = 0;
        return steps;
    }

    // d/d. of -1/2 [sum log|F| + log|S| + q - s'S^{-1}s]
    void total(int known, const std::vector<double>& dS, const std::vector<double>& ds, const std::vector<double>& dq,
               const std::vector<double>& log_det, std::vector<double>& out) const {
        const int d = first.d, rank = tape.diffuse.rank[known];
        const double* X = &tape.diffuse.root[static_cast<size_t>(known) * d * d];
        const double* delta = &tape.diffuse.delta[static_cast<size_t>(known) * d];
        for (int j = 0; j < k; ++j) out[j] = -0.5 * (log_det[j] + dq[j]);
        for (int i = 0; i < d; ++i) {
            axpy(delta[i], &ds[i * k], out.data());
            for (int l = 0; l < d; ++l) {
                double inverse = 0.0;
                for (int c = 0; c < rank; ++c) inverse += X[i * d + c] * X[l * d + c];
                axpy(-0.5 * (inverse + delta[i] * delta[l]), &dS[(i * d + l) * k], out.data());
            }
        }
    }

    void collapse(const std::vector<double>& dS, const std::vector<double>& ds) {
        const DiffuseRecord& record = tape.diffuse;
        const int d = first.d, steps = record.steps;
        const double *A = &record.A[static_cast<size_t>(steps) * m * d],
                     *X = &record.root[static_cast<size_t>(steps) * d * d],
                     *delta = &record.delta[static_cast<size_t>(steps) * d];
        const Dim<0> dm(m), dd(d);
        std::vector<double> Si(d * d), ASi(m * d), gap(ds), d_delta(d * k, 0.0), half(m * m * k, 0.0), AdS(m * d * k, 0.0);
        mul_nt<Put::set>(dd, dd, dd, X, X, Si.data());
        mul_nn<Put::set>(dm, dd, dd, A, Si.data(), ASi.data());
        right(d, d, 1, dS.data(), delta, gap.data(), -1.0);
        left(d, d, 1, Si.data(), gap.data(), d_delta.data());
        right(m, d, 1, dA.data(), delta, da.data());
        left(m, d, 1, A, d_delta.data(), da.data());
        right_t(m, d, m, dA.data(), ASi.data(), half.data());
        add_both(m, half.data(), dP.data());
        left(m, d, d, ASi.data(), dS.data(), AdS.data());
        right_t(m, d, m, AdS.data(), ASi.data(), dP.data(), -1.0);
    }
};

}  // namespace rnnstats

// Recurrent networks, compiled; the twins are in rnnstats/kernels/reference/cells, one file a cell.
//
// A cell is a template or a struct (cells_elman.hpp, cells_gru.hpp, cells_lstm.hpp) with the constants
//   first    gates whose arguments are known once h_{t-1} and the inputs are
//   late     gates that see something else in the place of h_{t-1}, made by the first ones
//   saved    numbers a unit that the reverse pass wants: slopes; saved_first of them are known before the late gates
//   numbers  weights a unit outside the matrix
//   memory   whether there is a second state c
//   sources  adjoints a unit from which those of all its gates follow
// and the functions step and adjoint (with late gates: step_first, step_late, adjoint_late, adjoint_first) of eight
// units, step also of one unit in eight paths: they are elementwise. `slopes` says the same as adjoint for many passes
// at once: the adjoint of gate g's argument is gate [g] times that of source(g): 0 for h, 1 for the memory or what the
// late gate sees; carry is what goes past the gates. Loops, products with the weights, layers, readout and feedback are
// written once: cells_run.hpp (a path), cells_lanes.hpp (many reverse passes), cells_scores.hpp (derivatives of every
// row), cells_paths.hpp (many paths); cells_layout.hpp says where everything lies and lists the cells.
#pragma once

#include "cells_scores.hpp"
#include "cells_paths.hpp"

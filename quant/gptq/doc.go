// Package gptq answers one question: which codes change a layer's output least?
//
// A layer computes x*transposed(w) for inputs x. Rounding w to w' changes its output by the squared error
// |x (w - w')^T|^2, summed over the inputs; a row d of w - w' adds d H d^T with H = X^T X / N, the [Hessian] of the inputs.
// Rounding to the nearest code makes each d small and does not look at H. [Quantize] chooses codes and grids that make the
// sum small:
//
//  1. GPTQ (Frantar et al. 2022, https://arxiv.org/abs/2210.17323): the columns are rounded one after the other, and what
//     was lost is made up for by the columns to come, in the proportions of the rows of U, where H^-1 = U^T U. The columns
//     that matter most come first, but groups stay together, so that no table of columns is needed afterwards.
//  2. The grid of a group is fitted when its first column is reached, to the weights as they are then, with the weights
//     1/U_jj^2 that the step charges for an error in column j.
//  3. Coordinate descent: every code in turn becomes the best one given all others. Then every grid in turn becomes the
//     best one given all codes, which is a quadratic in scale and offset. Both never raise the error.
//
// A row for which rounding to the nearest code of a grid of least squares does better keeps those codes, so that no row is
// ever worse than that.
//
// Results do not depend, to the last bit, on the number of threads.
package gptq

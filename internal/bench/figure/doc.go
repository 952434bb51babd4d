// Package figure keeps what was measured apart from what is said about it: samples as they came, the statistics of them,
// the targets that they are held against, and the document that is rendered from all three. It measures nothing.
//
// A sample belongs to a row (one question, such as the echo of small messages), a point of it (with 100 connections),
// a contestant and a round. In each round every contestant is measured once, one after the other, so that what disturbs
// the machine for a while disturbs all of them; a comparison is the median of the rounds' own ratios, which such
// disturbances leave alone, and not the ratio of two medians.
package figure

// Package acceptance holds tests of the whole: the real binary on one side,
// and on the other receivers in the languages of the contracts' consumers,
// each verifying as they do. They speak HTTP only and need to be told nothing
// of the inside.
package acceptance

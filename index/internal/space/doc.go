// Package space answers one question: as vectors of which space do rows rank by L2?
package space

// Package catalog answers one question: what would PostgreSQL say is there?
package catalog

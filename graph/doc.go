// Package graph answers one question: which memories belong together?
package graph

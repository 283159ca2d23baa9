// Package filelock keeps two processes from doing the same thing at once, with a lock that the system releases when its
// holder dies. Start with [Lock].
package filelock

package recording

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an [Error] is, so that callers decide by it and never by a text.
type Code string

// The codes. A new one is added when a caller needs to tell it from the others, not before.
const (
	CodeInternal    Code = "internal"    // a defect of smiley, or a failure nobody foresaw
	CodeInvalid     Code = "invalid"     // an argument, pattern or file that cannot mean anything
	CodeNotFound    Code = "not_found"   // a run, file, function or program that is not there
	CodeAmbiguous   Code = "ambiguous"   // a prefix that fits several runs
	CodeUnsupported Code = "unsupported" // a program, platform or version that smiley cannot handle
	CodeDamaged     Code = "damaged"     // bytes that fail their checks
	CodeNewer       Code = "newer"       // a format or schema newer than this smiley
	CodePermission  Code = "permission"  // the system says no
	CodeFull        Code = "full"        // no room left on the disk
	CodeLocked      Code = "locked"      // somebody else holds it
	CodeBuild       Code = "build"       // the compiler refused the program; Message holds its words
	CodeCanceled    Code = "canceled"    // the person, or the caller's context, ended it
)

// Error is the one error type of the module. Message is for people, one line (a compiler's words may be more), without
// a final full stop. Hint, where there is something the person can do, says what. Err is the cause: it is for
// errors.Is and for logs, and is never shown by default.
type Error struct {
	Code    Code
	Message string
	Hint    string
	Err     error
}

// Error returns Message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a formatted message. A %w operand becomes the cause.
func Errorf(code Code, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: wrapped.Error(), Err: errors.Unwrap(wrapped)}
}

// WithHint returns e with its hint set.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CodeOf returns the code of the first Error in err's chain: "" for nil, CodeInternal when there is none.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

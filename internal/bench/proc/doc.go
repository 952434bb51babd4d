// Package proc asks the system about processes: what CPU one has used, what memory it holds, and on which core it runs.
package proc

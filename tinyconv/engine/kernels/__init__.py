"""Arrays in, arrays out: the compiled loops, one topic a file. Each file begins with what moves where, in words."""

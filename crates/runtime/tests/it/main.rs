//! A real server on a real port, and clients that behave well, badly, or not at all.

//! Empty until the parts compile.

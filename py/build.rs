//! An extension module does not link the interpreter that loads it; macOS's linker has to be told.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}

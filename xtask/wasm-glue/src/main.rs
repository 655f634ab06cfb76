//! `wasm-glue INPUT.wasm OUTPUT_FOLDER NAME`: writes the module for browsers and its JavaScript.

use std::env;

use anyhow::{Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [input, folder, name] = &arguments[..] else {
        bail!("usage: wasm-glue INPUT.wasm OUTPUT_FOLDER NAME");
    };
    Bindgen::new()
        .input_path(input)
        .out_name(name)
        .web(true)?
        .typescript(true)
        // The module lies beside its JavaScript.
        .omit_default_module_path(false)
        // Names tell where a panic happened; wasm-opt removes them from the package.
        .remove_name_section(false)
        .remove_producers_section(true)
        .generate(folder)
}

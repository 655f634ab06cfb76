//! `wasm-glue INPUT.wasm OUTPUT_FOLDER NAME`: writes the module for browsers and its JavaScript.
//! `wasm-glue order MODULE.wasm`: names its functions by the order in which they compress best.

mod order;

use std::{env, fs};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, path] = &arguments[..]
        && command == "order"
    {
        let module = fs::read(path).with_context(|| path.clone())?;
        return fs::write(path, order::name_by_place(&module)?).with_context(|| path.clone());
    }
    let [input, folder, name] = &arguments[..] else {
        bail!("usage: wasm-glue INPUT.wasm OUTPUT_FOLDER NAME | order MODULE.wasm");
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

//! The program `pinyon`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pinyon_server::cli::main()
}

//! The flag about the isolation of rows, shared by `worker` and `run`.

/// How rows with which a command fails are isolated.
#[derive(Debug, Clone, clap::Args)]
pub struct IsolateArgs {
    /// When a command fails with a chunk in the last attempt, run it up to N times more on parts of the chunk: the rows
    /// with which it fails become rejects, and the others go through. "off": the whole chunk is dead
    #[arg(long, value_name = "off|N", default_value = "200", value_parser = runs, hide_short_help = true)]
    isolate: u32,
}

impl IsolateArgs {
    /// The most runs; 0 for none.
    pub fn runs(&self) -> u32 {
        self.isolate
    }
}

fn runs(text: &str) -> Result<u32, String> {
    match text.parse() {
        _ if text == "off" => Ok(0),
        Ok(runs) => Ok(runs),
        Err(_) => Err("it is neither a number of runs nor off".to_owned()),
    }
}

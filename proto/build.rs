//! Compiles the `.proto` files with protox, so that no system protoc is needed.

use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(["rowmill/v1/rowmill.proto"], ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".rowmill.v1.Chunk.body")
        .bytes(".rowmill.v1.Chunk.signature")
        .bytes(".rowmill.v1.Output.body")
        .bytes(".rowmill.v1.OutputRows.body")
        .bytes(".rowmill.v1.ValidateSpec.schema")
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=rowmill");
    Ok(())
}

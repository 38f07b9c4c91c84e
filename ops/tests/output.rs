//! What an operator asked for is printed, or the tool says that it is not.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::process::Command;

#[test]
fn a_public_key_that_cannot_be_printed_is_an_error() {
    let folder = std::env::temp_dir().join(format!("rohrpost-ops-output-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let keygen = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rohrpost-ops"));
        command.arg("keygen").arg(folder.join(name));
        command
    };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let lost = keygen("lost.pem").stdout(full).output().unwrap();
    let printed = keygen("printed.pem").output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let errors = String::from_utf8_lossy(&lost.stderr);
    assert_eq!(lost.status.code(), Some(73), "{errors}");
    assert!(errors.contains("standard output"), "{errors}");
    assert!(printed.status.success() && !printed.stdout.is_empty());
}

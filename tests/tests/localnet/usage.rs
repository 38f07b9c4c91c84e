//! A command line that is wrong ends the tools with the code that their help says.

use std::process::Command;

use rohrpost_tests::program;

#[test]
fn wrong_usage_of_a_tool_has_the_code_that_its_help_says() {
    let lines: [(&str, &[&str]); 5] = [
        ("rohrpost-ops", &["nope"]),
        ("rohrpost-ops", &["localnet", "--slot", "x"]),
        ("rohrpost-loadgen", &["run", "--nope"]),
        ("rohrpost-adversary", &["attack", "nope"]),
        ("rohrpost-adversary", &[]),
    ];
    for (tool, arguments) in lines {
        let run = |arguments: &[&str]| {
            Command::new(program(tool)).args(arguments).output().expect("the tool runs")
        };
        assert_eq!(run(arguments).status.code(), Some(64), "{tool} {arguments:?}");
        let help = run(&["--help"]);
        let text = String::from_utf8_lossy(&help.stdout);
        assert!(help.status.success() && text.contains("64 wrong usage"), "{tool}: {text}");
    }
}

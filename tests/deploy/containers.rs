//! The compose file. (`scripts/image --check` tests the image.)

use std::path::Path;

/// The lines below the last key of `path`, without comments; for a service, with those of the anchor `rowmill`.
/// `None` if there is no such key.
fn below(path: &[&str]) -> Option<String> {
    let compose = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/docker/compose.yaml");
    let compose = std::fs::read_to_string(compose).unwrap();
    let is_said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let mut lines: Vec<&str> = compose.lines().filter(is_said).collect();
    let anchor = lines
        .iter()
        .skip_while(|line| !line.starts_with("x-rowmill:"));
    let anchor = anchor.skip(1).take_while(|line| line.starts_with(' '));
    let anchor: Vec<String> = anchor.map(|line| format!("  {line}")).collect();
    for (depth, key) in path.iter().enumerate() {
        let indent = "  ".repeat(depth);
        let start = format!("{indent}{key}:");
        let mut rest = lines
            .into_iter()
            .skip_while(|line| !line.starts_with(&start));
        let first = rest.next()?.strip_prefix(&start)?;
        let deeper = rest.take_while(|line| line.starts_with(&format!("{indent}  ")));
        lines = std::iter::once(first).chain(deeper).collect();
        if lines.iter().any(|line| line.trim() == "<<: *rowmill") && depth == 1 {
            lines.extend(anchor.iter().map(String::as_str));
        }
    }
    Some(lines.join("\n").trim().to_owned())
}

#[test]
fn every_service_is_started_again_in_order_and_says_whether_it_is_well() {
    for service in ["rabbitmq", "master", "worker"] {
        let of = |key| below(&["services", service, key]);
        assert_eq!(
            of("restart").as_deref(),
            Some("unless-stopped"),
            "{service}"
        );
        assert!(of("healthcheck").unwrap().contains("test:"), "{service}");
        let after = of("depends_on");
        let after = after.map(|after| after.split_whitespace().collect::<Vec<_>>().join(" "));
        let expected = (service != "rabbitmq").then_some("rabbitmq: condition: service_healthy");
        assert_eq!(after.as_deref(), expected, "{service}");
    }
    let image = below(&["services", "rabbitmq", "image"]).unwrap();
    assert!(image.starts_with("rabbitmq:4."), "{image}");
}

#[test]
fn only_those_who_remember_have_a_volume() {
    let volumes = |service| below(&["services", service, "volumes"]);
    assert_eq!(volumes("master").unwrap(), "- master:/var/lib/rowmill");
    assert_eq!(volumes("worker"), None);
    let named = below(&["volumes"]).unwrap();
    assert_eq!(
        named.split_whitespace().collect::<Vec<_>>(),
        ["broker:", "master:"]
    );
    // A VOLUME in the image would give every worker a volume without a name.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/docker/Dockerfile");
    let dockerfile = std::fs::read_to_string(path).unwrap();
    assert!(
        !dockerfile.lines().any(|line| line.starts_with("VOLUME")),
        "{dockerfile}"
    );
}

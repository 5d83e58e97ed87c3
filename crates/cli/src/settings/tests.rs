use super::*;

#[derive(Debug, Parser)]
struct Mill {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    Worker {
        #[arg(long, env = "ROWMILL_TEST_UNSET_THREADS", default_value_t = 7)]
        threads: u32,
        #[arg(long, env = "ROWMILL_TEST_UNSET_CERT", requires = "key")]
        cert: Option<String>,
        #[arg(long, env = "ROWMILL_TEST_UNSET_KEY", requires = "cert")]
        key: Option<String>,
        #[arg(long)]
        once: bool,
        #[arg(long, hide = true)]
        part: bool,
        #[arg(last = true)]
        words: Vec<String>,
    },
    Master {
        #[arg(long, env = "ROWMILL_TEST_UNSET_THREADS", default_value_t = 1)]
        threads: u32,
    },
}

fn settings(text: &str) -> Settings {
    Settings {
        path: "rowmill.toml".into(),
        table: text.parse().unwrap(),
    }
}

fn parsed(file: &str, line: &str) -> Result<Role, String> {
    let args = line.split(' ').map(OsString::from);
    let mill = try_parse_from::<Mill>(|| Ok(settings(file)), args);
    mill.map(|mill| mill.role)
        .map_err(|error| error.to_string())
}

fn threads(file: &str, line: &str) -> u32 {
    match parsed(file, line).unwrap() {
        Role::Worker { threads, .. } | Role::Master { threads } => threads,
    }
}

#[test]
fn a_flag_comes_before_the_file_and_the_file_before_the_default() {
    assert_eq!(threads("", "rowmill worker"), 7);
    assert_eq!(threads("threads = 3", "rowmill worker"), 3);
    assert_eq!(threads("threads = 3", "rowmill worker --threads 4"), 4);
    let both = "threads = 3\n[worker]\nthreads = \"5\"";
    assert_eq!(threads(both, "rowmill worker --once"), 5);
    assert_eq!(threads(both, "rowmill master"), 3);
}

#[test]
fn what_stands_behind_two_dashes_stays_there() {
    let Role::Worker { threads, words, .. } =
        parsed("threads = 3", "rowmill worker --once -- worker x").unwrap()
    else {
        panic!("another command");
    };
    assert_eq!((threads, words), (3, vec!["worker".to_owned(), "x".into()]));
}

#[test]
fn what_the_file_says_is_held_to_the_same_rules_and_names_it() {
    let error = parsed("cert = 'a'", "rowmill worker").unwrap_err();
    assert!(
        error.contains("--key") && error.contains("rowmill.toml"),
        "{error}"
    );
    assert!(parsed("cert = 'a'\nkey = 'b'", "rowmill worker").is_ok());
    let error = parsed("threads = 'many'", "rowmill worker").unwrap_err();
    assert!(
        error.contains("many") && error.contains("rowmill.toml"),
        "{error}"
    );
    let error = parsed("threads = 'many'", "rowmill worker --threads x").unwrap_err();
    assert!(!error.contains("rowmill.toml"), "{error}");
    let error = parsed("threads = [1, 2]", "rowmill worker").unwrap_err();
    assert!(error.contains("threads cannot be"), "{error}");
}

#[test]
fn a_process_that_is_told_all_does_not_look_for_a_file() {
    let args = ["rowmill", "worker", "--part"].map(OsString::from);
    let mill = try_parse_from::<Mill>(|| panic!("looked for a file"), args).unwrap();
    assert!(matches!(
        mill.role,
        Role::Worker {
            threads: 7,
            part: true,
            ..
        }
    ));
}

#[test]
fn what_is_no_setting_is_named_with_what_was_meant() {
    for (file, hint) in [
        ("thread = 3", "did you mean \"threads\"?"),
        ("[workers]\nthreads = 3", "did you mean \"worker\"?"),
        ("[master]\ncert = 'a'", "rowmill config"),
        ("once = true", "rowmill config"),
    ] {
        let error = parsed(file, "rowmill worker").unwrap_err();
        assert!(
            error.contains("rowmill.toml: there is no setting"),
            "{error}"
        );
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn what_is_in_force_says_where_it_comes_from() {
    use clap::CommandFactory;
    let settings = settings("cert = 'a'\n[worker]\nthreads = 5");
    let all = settings.effective(&Mill::command()).unwrap();
    let told: Vec<(&str, Option<&str>, &Origin)> = all
        .iter()
        .map(|it| (it.name.as_str(), it.value.as_deref(), &it.origin))
        .collect();
    let file = PathBuf::from("rowmill.toml");
    assert_eq!(
        told,
        [
            ("cert", Some("a"), &Origin::File(file.clone(), None)),
            ("key", None, &Origin::Default),
            ("threads", Some("1"), &Origin::Default),
            (
                "worker.threads",
                Some("5"),
                &Origin::File(file, Some("worker".into()))
            ),
        ]
    );
}

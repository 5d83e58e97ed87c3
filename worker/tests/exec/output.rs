//! Input and output of commands.

use proto::v1::chunk_result::Partial;

use crate::test_worker::{Setup, TestWorker, rows, spec};

#[tokio::test]
async fn a_command_gets_csv_with_a_header_and_its_rows_come_back_without_one() {
    let worker = TestWorker::of_shell(
        r#"awk -F, 'NR == 1 { print "n,twice"; next } { print $1 "," 2 * $1 }'"#,
    );
    let worker = worker.await;
    let result = worker.one("1,a\n2,b\n3\n").await.result();
    assert_eq!(rows(&result), "1,2\n2,4\n");
    assert_eq!((result.rows, result.rejected, result.attempt), (2, 1, 1));
    assert_eq!(result.rejects[0].line, 4);
    assert_eq!(result.sample[1].cells, ["2", "4"]);
    let Some(Partial::Exec(partial)) = result.partial else {
        panic!("{:?}", result.partial)
    };
    assert_eq!(partial.columns, ["n", "twice"]);
    assert_eq!((partial.rows_in, partial.rows_out), (2, 2));
    worker.stop().await;
}

#[tokio::test]
async fn the_number_of_rows_is_the_commands_own() {
    let worker = TestWorker::of_shell("head -1").await;
    let none = worker.one("1,a\n2,b\n").await.result();
    assert_eq!(rows(&none), "");
    worker.stop().await;
    let worker = TestWorker::of_shell("sed p").await;
    worker.send(0, spec("do", &[]), "1,a\n").await;
    let replies = worker.replies(1).await.remove(&0).unwrap().result();
    assert_eq!(rows(&replies), "n,text\n1,a\n1,a\n");
    worker.stop().await;
}

#[tokio::test]
async fn a_command_that_reads_only_what_it_needs_is_no_failure() {
    let worker = TestWorker::of_shell("exec head -2").await;
    // More than a pipe's buffer holds.
    let body = "1,abcdefghijklmnopqrstuvwxyz\n".repeat(20_000);
    let result = worker.one(&body).await.result();
    assert_eq!(rows(&result), "1,abcdefghijklmnopqrstuvwxyz\n");
    assert_eq!(result.rows, 20_000);
    worker.stop().await;
}

#[tokio::test]
async fn the_environment_is_clean_and_says_which_chunk_it_is() {
    let worker = TestWorker::of_shell("echo name; env | cut -d= -f1 | sort").await;
    // PWD, SHLVL and _ are the shell's own.
    let result = worker.one("1,a\n").await.result();
    let names = rows(&result);
    let known = [
        "HOME",
        "LANG",
        "OLDPWD",
        "PATH",
        "PWD",
        "ROWMILL_ATTEMPT",
        "ROWMILL_CHUNK",
        "ROWMILL_JOB",
        "SHLVL",
        "_",
    ];
    for name in names.lines() {
        assert!(known.contains(&name), "{names}");
    }
    worker.stop().await;

    let worker =
        TestWorker::of_shell("echo j,c,a; echo $ROWMILL_JOB,$ROWMILL_CHUNK,$ROWMILL_ATTEMPT").await;
    worker.send(7, spec("do", &[]), "1,a\n").await;
    let result = worker.replies(1).await.remove(&7).unwrap().result();
    assert_eq!(rows(&result), format!("{},7,1\n", worker.job));
    worker.stop().await;
}

#[tokio::test]
async fn arguments_come_where_they_are_allowed_and_nowhere_else() {
    let setup = Setup {
        commands: &[("say", "printf 'lang\\n%s\\n' {lang}")],
        ..Setup::default()
    };
    let worker = TestWorker::with(|_| String::new(), setup).await;
    let tricky = "$(id) `id` ; * %s";
    worker
        .send(0, spec("say", &[("lang", tricky)]), "1,a\n")
        .await;
    worker
        .send(1, spec("say", &[("lang", "-v")]), "1,a\n")
        .await;
    worker
        .send(2, spec("say", &[("lang", "de"), ("file", "x")]), "1,a\n")
        .await;
    let mut replies = worker.replies(3).await;
    assert_eq!(
        rows(&replies.remove(&0).unwrap().result()),
        format!("{tricky}\n")
    );
    for (seq, reason) in [(1, "does not begin with -"), (2, "\"file\"; it has lang")] {
        let dead = replies.remove(&seq).unwrap().dead();
        assert!(dead.reason.contains(reason), "{}", dead.reason);
    }
    worker.stop().await;
}

/// Output for `1,a`, and the reason why it is invalid.
#[tokio::test]
async fn invalid_output_makes_a_dead_chunk_that_says_why() {
    for (script, reason) in [
        (
            "cat >/dev/null",
            "`sh` ended well, but it wrote nothing on standard output",
        ),
        (
            "echo a,b; echo 1",
            "line 2 of its output has 1 field where its header has 2",
        ),
        (
            "echo a; echo '\"x'",
            "a quote opens on line 2 and never closes",
        ),
        (
            "echo a; printf 'caf\\351\\n'",
            "line 2 of its output is not UTF-8",
        ),
        ("echo n; echo 1; exit 3", "ended with exit code 3"),
        (
            "echo oh no >&2; kill -SEGV $$",
            "was killed by signal 11: oh no",
        ),
    ] {
        let worker = TestWorker::of_shell(script).await;
        let dead = worker.one("1,a\n").await.dead();
        let reason = reason.replace("`sh`", "`do`");
        assert!(dead.reason.contains(&reason), "{script}: {}", dead.reason);
        assert_eq!(dead.attempts, 3, "{script}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_row_that_crashes_a_command_kills_only_its_chunk_and_its_stderr_is_kept() {
    let script = r#"python3 -c '
import csv, sys
rows = csv.DictReader(sys.stdin)
out = csv.writer(sys.stdout)
out.writerow(["n", "half"])
for row in rows:
    print("row", row["n"], file=sys.stderr)
    out.writerow([row["n"], 12 // int(row["n"])])
'"#;
    let worker = TestWorker::of_shell(script).await;
    for (seq, body) in [(0, "1,a\n2,b\n"), (1, "3,a\n0,b\n"), (2, "4,a\n")] {
        worker.send(seq, spec("do", &[]), body).await;
    }
    let mut replies = worker.replies(3).await;
    assert_eq!(rows(&replies.remove(&0).unwrap().result()), "1,12\n2,6\n");
    assert_eq!(rows(&replies.remove(&2).unwrap().result()), "4,3\n");
    let dead = replies.remove(&1).unwrap().dead();
    assert!(
        dead.reason.contains("exit code 1: ZeroDivisionError"),
        "{}",
        dead.reason
    );
    assert!(
        dead.stderr.starts_with("row 3\nrow 0\nTraceback"),
        "{}",
        dead.stderr
    );
    // It can be replayed: the dead chunk contains all of it.
    assert_eq!(dead.chunk.unwrap().body, "3,a\n0,b\n");
    worker.stop().await;
}

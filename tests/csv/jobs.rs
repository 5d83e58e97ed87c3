//! CSV through a broker: a job's input and its bad records as the master reports them, and a publish that stopped.

use serde_json::Value;

use super::packed::gzip;
use crate::support::{Process, Stage, finished, job_when, stderr};
use proto::v1::JobState;

fn json(stage: &Stage, args: &[&str]) -> Value {
    let output = stage.command(args).output().unwrap();
    assert!(!output.stdout.is_empty(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(stage: &Stage, args: &[&str]) -> String {
    let output = stage.command(args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn rejects_are_listed_exported_mended_and_published_again() {
    let stage = Stage::new();
    let (_master, _worker) = (stage.master(), stage.worker());
    let mut client = stage.client().await;
    let input = "a;b;c\n1;x;2\n3;y\n4;z\u{1b};5;6\n7;w;8\n".repeat(2);
    let path = stage.file("a.csv.gz", &gzip(input.as_bytes()));
    let args = [
        "publish",
        "--delimiter",
        ";",
        "--headers",
        path.to_str().unwrap(),
    ];
    let id = text(&stage, &args).trim().to_owned();
    let job = finished(&mut client, &id).await.job.unwrap();
    // The second header is a record like the others.
    assert_eq!((job.rows, job.rejects), (5, 4));
    let shown = json(&stage, &["show", "--json", &id]);
    assert_eq!(shown["input"]["compression"], "gzip");

    let listed = text(&stage, &["rejects", &id]);
    assert_eq!(listed.lines().count(), 5, "{listed}");
    assert!(listed.contains("2 fields where the header has 3") && !listed.contains('\u{1b}'));
    let lines = text(&stage, &["rejects", "--json", &id]);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&first["line"], &first["raw"]), (&3.into(), &"3;y".into()));

    let bad = stage.dir.path().join("bad.csv");
    text(&stage, &["rejects", &id, "-o", bad.to_str().unwrap()]);
    let exported = std::fs::read_to_string(&bad).unwrap();
    assert_eq!(text(&stage, &["rejects", &id, "--csv"]), exported);
    let mended = exported.replace("3;y", "3;y;4").replace("5;6", "5");
    std::fs::write(&bad, mended).unwrap();
    let args = [
        "publish",
        "--delimiter",
        ";",
        "--headers",
        bad.to_str().unwrap(),
    ];
    let again = text(&stage, &args).trim().to_owned();
    let job = finished(&mut client, &again).await.job.unwrap();
    assert_eq!((job.rows, job.rejects), (4, 0));
    stage.erase().await;
}

#[tokio::test]
async fn a_strict_publish_cancels_its_job_with_the_reason_for_good() {
    let stage = Stage::new();
    let mut master = stage.master();
    let mut client = stage.client().await;
    let path = stage.file("a.csv", b"a,b\n1,2\n3,4\n5\n6,7\n");
    let args = [
        "publish",
        "--strict",
        "--chunk-bytes",
        "4",
        path.to_str().unwrap(),
    ];
    let output = stage.command(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let place = "a.csv, line 4 (byte 12): 1 field where the header has 2: \"5\"";
    assert!(stderr(&output).contains(place), "{}", stderr(&output));
    assert!(!stderr(&output).contains("--resume"), "{}", stderr(&output));
    let id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let is_cancelled = |r: &proto::v1::GetJobResponse| {
        r.job
            .as_ref()
            .is_some_and(|job| job.state() == JobState::Cancelled)
    };
    let job = job_when(&mut client, &id, is_cancelled).await.job.unwrap();
    assert!(job.reason.ends_with(place), "{}", job.reason);

    master.kill();
    drop(master);
    let _master: Process = stage.master();
    let mut client = stage.client().await;
    let job = job_when(&mut client, &id, is_cancelled).await.job.unwrap();
    assert!(job.reason.ends_with(place) && job.finished_unix_ms.is_some());
    let shown = stage.command(&["show", &id]).output().unwrap();
    assert_eq!(shown.status.code(), Some(7));
    assert!(stderr(&shown).contains("line 4"), "{}", stderr(&shown));
    // There is nothing to resume.
    let resumed = stage
        .command(&["publish", "--resume", &id])
        .output()
        .unwrap();
    assert!(
        stderr(&resumed).contains("is sealed already"),
        "{}",
        stderr(&resumed)
    );
    stage.erase().await;
}

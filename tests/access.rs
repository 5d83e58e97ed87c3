//! Access control: a master behind TLS, with tokens and certificates made by rowmill's commands; and signed jobs.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use prost_types::MethodDescriptorProto;
use proto::v1::ListDeadRequest;
use rustix::process::Signal;
use support::{Process, Stage, finished, published, rowmill, stderr};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// A stage whose master accepts TLS only.
struct Team {
    stage: Stage,
}

impl Team {
    fn new() -> Self {
        let team = Self {
            stage: Stage::new(),
        };
        let host = team.host();
        team.done(&["cert", "new", &host, "--dir", &team.path("certs")]);
        team
    }

    fn path(&self, name: &str) -> String {
        self.stage.dir.path().join(name).display().to_string()
    }

    fn host(&self) -> String {
        let (host, _) = self.stage.address().rsplit_once(':').unwrap();
        host.to_owned()
    }

    /// Runs `rowmill ARGS`, which must succeed.
    fn done(&self, args: &[&str]) -> Output {
        let output = self.stage.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        output
    }

    /// A token of the given scope, as printed.
    fn token(&self, name: &str, scope: &str) -> String {
        let tokens = self.path("tokens");
        let args = ["token", "new", name, "--scope", scope, "--tokens", &tokens];
        let printed = self.done(&args).stdout;
        String::from_utf8(printed).unwrap().trim().to_owned()
    }

    /// A client certificate of the given scope.
    fn client_certificate(&self, name: &str, scope: &str) -> Identity {
        let certs = self.path("certs");
        self.done(&[
            "cert", "new", "--client", name, "--scope", scope, "--dir", &certs,
        ]);
        let read = |ending| std::fs::read(self.path(&format!("certs/{name}.{ending}"))).unwrap();
        Identity::from_pem(read("pem"), read("key"))
    }

    fn master(&self, more: &[&str]) -> Process {
        let (certificate, key) = (self.path("certs/master.pem"), self.path("certs/master.key"));
        let data = self.path("master");
        let mut args = vec!["master", "--listen", self.stage.address(), "--data", &data];
        args.extend(["--tls-cert", &certificate, "--tls-key", &key]);
        args.extend(more);
        let master = Process::start(&mut self.stage.command(&args));
        master.wait_for("listening at https://");
        master
    }

    /// `rowmill ARGS` for the master over TLS, with the token if one is given.
    fn command(&self, token: Option<&str>, args: &[&str]) -> Command {
        let mut command = self.stage.command(args);
        command
            .env("ROWMILL_MASTER", self.url())
            .env("ROWMILL_CA", self.path("certs/ca.pem"));
        if let Some(token) = token {
            command.env("ROWMILL_TOKEN", token);
        }
        command
    }

    fn url(&self) -> String {
        format!("https://{}", self.stage.address())
    }

    async fn channel(
        &self,
        identity: Option<Identity>,
    ) -> Result<Channel, tonic::transport::Error> {
        let authority = std::fs::read(self.path("certs/ca.pem")).unwrap();
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Endpoint::from_shared(self.url())?.tls_config(tls)?;
        endpoint.connect().await
    }
}

/// Makes any call, with an empty request, and ignores the content of the response.
async fn call(channel: &Channel, path: &str, token: Option<&str>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::iter([()]));
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let path: PathAndQuery = path.parse().unwrap();
    let codec = ProstCodec::<(), ()>::default();
    let answer = grpc.streaming(request, path, codec).await?;
    // A status may also come at the end of a stream; a stream without one counts as a response.
    let mut stream = answer.into_inner();
    let first = tokio::time::timeout(std::time::Duration::from_secs(1), stream.message());
    first.await.unwrap_or(Ok(None)).map(drop)
}

/// The paths of all calls that the master lists.
async fn calls(channel: &Channel, token: &str) -> Vec<String> {
    let bearer = format!("Bearer {token}").parse().unwrap();
    let mut client = ServerReflectionClient::with_interceptor(
        channel.clone(),
        move |mut request: Request<()>| {
            let bearer: &tonic::metadata::MetadataValue<_> = &bearer;
            request
                .metadata_mut()
                .insert("authorization", bearer.clone());
            Ok(request)
        },
    );
    let mut ask = async |question| {
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        let answers = client.server_reflection_info(tokio_stream::iter([request]));
        let answer = answers.await.unwrap().into_inner().message().await.unwrap();
        answer.unwrap().message_response.unwrap()
    };
    let MessageResponse::ListServicesResponse(services) =
        ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list of services");
    };
    let mut paths = Vec::new();
    for service in services.service {
        let symbol = MessageRequest::FileContainingSymbol(service.name.clone());
        let MessageResponse::FileDescriptorResponse(files) = ask(symbol).await else {
            panic!("{} is not described", service.name);
        };
        for file in files.file_descriptor_proto {
            let file: prost_types::FileDescriptorProto = prost::Message::decode(&*file).unwrap();
            for described in &file.service {
                if format!("{}.{}", file.package(), described.name()) == service.name {
                    let names = described.method.iter().map(MethodDescriptorProto::name);
                    paths.extend(names.map(|name| format!("/{}/{name}", service.name)));
                }
            }
        }
    }
    paths.sort();
    paths
}

/// The code with which the access check refuses a call, if it does.
fn refusal(outcome: &Result<(), Status>) -> Option<Code> {
    let code = outcome.as_ref().err()?.code();
    matches!(code, Code::Unauthenticated | Code::PermissionDenied).then_some(code)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_there_is_asks_who_calls_and_what_they_may() {
    let team = Team::new();
    let (reader, admin) = (team.token("bo", "read"), team.token("ada", "admin"));
    let stranger = reader.replace(&reader[8..12], "0000");
    let _master = team.master(&["--tokens", &team.path("tokens")]);
    let channel = team.channel(None).await.unwrap();

    let mut writing = Vec::new();
    let paths = calls(&channel, &admin).await;
    for path in &paths {
        for token in [None, Some(stranger.as_str())] {
            let outcome = call(&channel, path, token).await;
            assert_eq!(refusal(&outcome), Some(Code::Unauthenticated), "{path}");
        }
        let outcome = call(&channel, path, Some(&admin)).await;
        assert_eq!(refusal(&outcome), None, "{path}: {outcome:?}");
        let outcome = call(&channel, path, Some(&reader)).await;
        match refusal(&outcome) {
            None => {}
            Some(Code::PermissionDenied) => writing.push(path.rsplit('/').next().unwrap()),
            Some(code) => panic!("{path}: {code:?}"),
        }
    }
    // A new call that changes something is added here.
    let expected = [
        "CancelJob",
        "DropDead",
        "DropUnreadable",
        "PauseJob",
        "ReplayDead",
        "ResumeJob",
    ];
    assert_eq!(writing, expected, "of {paths:?}");
    // All three services must be listed.
    for service in ["rowmill.v1.Rowmill", "grpc.health.v1", "grpc.reflection.v1"] {
        assert!(paths.iter().any(|path| path.contains(service)), "{paths:?}");
    }
    let unknown = call(&channel, "/rowmill.v1.Rowmill/NotThere", Some(&reader)).await;
    assert_eq!(refusal(&unknown), Some(Code::PermissionDenied));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_lets_in_with_its_scope_and_no_other_does() {
    let team = Team::new();
    let reader = team.client_certificate("bo", "read");
    let admin = team.client_certificate("ada", "admin");
    let other = Team::new();
    let stranger = other.client_certificate("eve", "admin");
    let _master = team.master(&["--tls-client-ca", &team.path("certs/ca.pem")]);

    let jobs = "/rowmill.v1.Rowmill/ListJobs";
    let cancel = "/rowmill.v1.Rowmill/CancelJob";
    let channel = team.channel(Some(reader)).await.unwrap();
    assert_eq!(refusal(&call(&channel, jobs, None).await), None);
    let outcome = call(&channel, cancel, None).await;
    assert_eq!(refusal(&outcome), Some(Code::PermissionDenied));
    let channel = team.channel(Some(admin)).await.unwrap();
    assert_eq!(refusal(&call(&channel, cancel, None).await), None);

    for identity in [None, Some(stranger)] {
        // With TLS 1.3, a client learns only after it has sent data that its certificate is refused.
        let refused = match team.channel(identity).await {
            Err(_) => true,
            Ok(channel) => {
                let mut grpc = tonic::client::Grpc::new(channel);
                grpc.ready().await.is_err() || {
                    let path = PathAndQuery::from_static("/rowmill.v1.Rowmill/ListJobs");
                    let codec = ProstCodec::<(), ()>::default();
                    grpc.unary(Request::new(()), path, codec).await.is_err()
                }
            }
        };
        assert!(refused);
    }
    let certs = |name: &str| team.path(&format!("certs/{name}"));
    let mut jobs = team.command(None, &["jobs"]);
    jobs.args(["--cert", &certs("bo.pem"), "--key", &certs("bo.key")]);
    let output = jobs.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test]
async fn commands_show_a_token_and_say_what_it_lacks() {
    let team = Team::new();
    let (reader, admin) = (team.token("bo", "read"), team.token("ada", "admin"));
    let master = team.master(&["--tokens", &team.path("tokens")]);
    let run = |token: Option<&str>, args: &[&str]| {
        let output = team.command(token, args).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), stdout + &stderr(&output))
    };
    assert_eq!(run(Some(&reader), &["jobs"]).0, 0);
    let (code, said) = run(None, &["jobs"]);
    assert!(
        code == 9 && said.contains("ROWMILL_TOKEN"),
        "{code}: {said}"
    );
    let (code, said) = run(Some("s3cret"), &["jobs"]);
    assert!(code == 2 && said.contains("not a token"), "{code}: {said}");

    let csv = team.stage.file("in.csv", b"a\n1\n");
    let job = team.stage.publish(&csv);
    // The broker has the job; the master may learn of it a moment later.
    while !run(Some(&reader), &["jobs"]).1.contains(&job) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (code, said) = run(Some(&reader), &["cancel", &job]);
    assert!(
        code == 9 && said.contains("bo has read-only access"),
        "{code}: {said}"
    );
    let (code, said) = run(Some(&admin), &["cancel", &job]);
    assert_eq!(code, 0, "{said}");
    master.wait_for("CancelJob");

    let (code, said) = run(Some(&reader), &["tui", "--once"]);
    assert!(code == 0 && said.contains("read only"), "{code}: {said}");
    let (_, said) = run(Some(&admin), &["tui", "--once"]);
    assert!(!said.contains("read only"), "{said}");
    assert_eq!(run(None, &["tui", "--once"]).0, 4);

    // A removed token is refused from the next call on.
    let tokens = team.path("tokens");
    let text = std::fs::read_to_string(&tokens).unwrap();
    let left: Vec<&str> = text.lines().filter(|line| !line.ends_with(" bo")).collect();
    std::fs::write(&tokens, left.join("\n")).unwrap();
    let (code, said) = run(Some(&reader), &["jobs"]);
    assert!(
        code == 9 && said.contains("does not know this token"),
        "{code}: {said}"
    );
    assert_eq!(run(Some(&admin), &["jobs"]).0, 0);
}

#[test]
fn a_master_that_proves_nothing_is_not_spoken_to() {
    let (team, other) = (Team::new(), Team::new());
    let token = team.token("bo", "read");
    let _master = team.master(&["--tokens", &team.path("tokens")]);
    let mut jobs = team.command(Some(&token), &["jobs"]);
    let output = jobs
        .env("ROWMILL_CA", other.path("certs/ca.pem"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("certificate"),
        "{}",
        stderr(&output)
    );
    // Without TLS, the master does not answer.
    let mut jobs = team.command(Some(&token), &["jobs"]);
    let plain = format!("http://{}", team.stage.address());
    let output = jobs.env("ROWMILL_MASTER", plain).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("https://"), "{}", stderr(&output));
}

#[test]
fn what_others_could_reach_or_read_is_refused_with_how_it_is_done() {
    let team = Team::new();
    team.token("bo", "read");
    let refused = |args: &[&str]| {
        let output = team.stage.command(args).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        stderr(&output)
    };
    let data = team.path("master");
    let all = ["master", "--listen", "0.0.0.0:0", "--data", &data];
    let said = refused(&all);
    assert!(
        said.contains("rowmill cert new") && said.contains("ssh -L"),
        "{said}"
    );
    let (certificate, key) = (team.path("certs/master.pem"), team.path("certs/master.key"));
    let mut with_tls = all.to_vec();
    with_tls.extend(["--tls-cert", &certificate, "--tls-key", &key]);
    let said = refused(&with_tls);
    assert!(said.contains("rowmill token new"), "{said}");

    let tokens = PathBuf::from(team.path("tokens"));
    for (path, flag) in [(&tokens, "--tokens"), (&PathBuf::from(&key), "--tls-key")] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
        let tokens = tokens.display().to_string();
        let mut args = with_tls.clone();
        args.extend(["--tokens", &tokens]);
        let said = refused(&args);
        assert!(said.contains("chmod 600"), "{flag}: {said}");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    let said = refused(&["jobs", "--master", "http://10.0.0.1:6455"]);
    assert!(said.contains("https://"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_with_a_key_take_signed_chunks_alone() {
    let stage = Stage::new();
    let key = |name: &str| {
        let path = stage.dir.path().join(name).display().to_string();
        let output = rowmill().args(["key", "new", &path]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        path
    };
    let (ours, theirs) = (key("ours"), key("theirs"));
    let _master = stage.master();
    let mut worker = Process::start(
        stage
            .command(&["worker", "--threads", "1"])
            .args(["--signing-key-file", &ours]),
    );
    worker.wait_for("connected");
    let csv = stage.file("in.csv", b"a\n1\n2\n");
    let csv = csv.to_str().unwrap();
    let mut client = stage.client().await;

    let signed = published(&mut stage.command(&["publish", csv, "--signing-key-file", &ours]));
    let job = finished(&mut client, &signed).await.job.unwrap();
    assert_eq!((job.rows, job.chunks_dead), (2, 0));

    for args in [vec![], vec!["--signing-key-file", &theirs]] {
        let job_id = published(stage.command(&["publish", csv]).args(args));
        worker.wait_for("refused: it is not signed");
        let job = finished(&mut client, &job_id).await.job.unwrap();
        assert_eq!((job.rows, job.chunks_dead), (0, 1));
        let request = ListDeadRequest {
            job_id: job_id.clone(),
            ..ListDeadRequest::default()
        };
        let dead = client.list_dead(request).await.unwrap().into_inner();
        assert!(dead.dead[0].reason.contains("not signed"), "{dead:?}");
    }

    // A signed job can be replayed: its dead chunks keep their signature.
    worker.signal(Signal::TERM);
    assert_eq!(worker.end().1, 0);
    worker = Process::start(
        stage
            .command(&["worker", "--threads", "1"])
            .args(["--signing-key-file", &theirs]),
    );
    worker.wait_for("connected");
    let job_id = published(&mut stage.command(&["publish", csv, "--signing-key-file", &ours]));
    worker.wait_for("refused: it is not signed");
    assert_eq!(
        finished(&mut client, &job_id)
            .await
            .job
            .unwrap()
            .chunks_dead,
        1
    );
    worker.signal(Signal::TERM);
    assert_eq!(worker.end().1, 0);
    let _worker = Process::start(
        stage
            .command(&["worker", "--threads", "1"])
            .args(["--signing-key-file", &ours]),
    );
    let output = stage
        .command(&["dead", "replay", &job_id])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let is_done = |r: &proto::v1::GetJobResponse| r.job.as_ref().is_some_and(|job| job.rows == 2);
    support::job_when(&mut client, &job_id, is_done).await;
    stage.erase().await;
}

/// A directory and everything below it, each with its mode.
fn modes(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mut all = vec![(directory.to_owned(), mode(directory))];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(modes(&path));
        } else {
            all.push((path.clone(), mode(&path)));
        }
    }
    all
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn data_is_for_its_user_alone_whatever_the_umask() {
    let stage = Stage::new();
    let open = |command: &Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 0; exec \"$0\" \"$@\""]);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell
    };
    let (data, spool) = (
        stage.dir.path().join("data/of/master"),
        stage.dir.path().join("spool/dir"),
    );
    let args = [
        "master",
        "--listen",
        stage.address(),
        "--data",
        data.to_str().unwrap(),
    ];
    let master = Process::start(&mut open(&stage.command(&args)));
    master.wait_for("connected");
    let _worker = stage.worker();
    // One bad record, for a spill file; and one publish that continues meanwhile.
    let path = stage.file("in.csv", b"a,b\n1,2\n3\n");
    let id = published(&mut open(
        &stage.command(&["publish", path.to_str().unwrap()]),
    ));
    finished(&mut stage.client().await, &id).await;
    let args = [
        "publish",
        "-",
        "--chunk-bytes",
        "20000",
        "--spool",
        spool.to_str().unwrap(),
    ];
    let mut publish = Process::start(open(&stage.command(&args)).stdin(Stdio::piped()));
    let mut stdin = publish.stdin();
    // More input than is sampled before the first chunk is sent.
    let rows = "a,b\n".to_owned() + &"1,2\n".repeat(100_000);
    stdin.write_all(rows.as_bytes()).unwrap();
    support::begun(&mut stage.client().await, 1).await;

    let journal = stage.dir.path().join("journal");
    let mut all = Vec::new();
    for directory in [
        &stage.dir.path().join("data"),
        &stage.dir.path().join("spool"),
        &journal,
    ] {
        all.extend(modes(directory));
    }
    for (path, mode) in &all {
        let right = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(*mode, right, "{}: {mode:o}", path.display());
    }
    let names: Vec<String> = all
        .iter()
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    for name in [
        "rowmill.sqlite",
        "rowmill.sqlite-wal",
        "rowmill.sqlite-shm",
        "lock",
        "sealed",
    ] {
        assert!(
            names.iter().any(|there| there == name),
            "{name} in {names:?}"
        );
    }
    assert!(names.contains(&format!("{id}.rejects")), "{names:?}");
    drop((stdin, publish));
    stage.erase().await;
}

#[test]
fn links_in_the_place_of_data_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (data, target) = (
        directory.path().join("data"),
        directory.path().join("target"),
    );
    std::fs::create_dir(&data).unwrap();
    for name in ["lock", "rowmill.sqlite"] {
        std::os::unix::fs::symlink(&target, data.join(name)).unwrap();
        let output = rowmill()
            .args(["master", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .output()
            .unwrap();
        let said = stderr(&output);
        assert!(!output.status.success());
        assert!(
            said.contains(name) && said.contains("it is a symbolic link"),
            "{said}"
        );
        assert!(!target.exists());
        std::fs::remove_file(data.join(name)).unwrap();
    }
}

/// Logs, errors, help and process arguments contain no secret.
#[test]
fn no_secret_is_ever_shown() {
    let team = Team::new();
    let reader = team.token("bo", "read");
    let secret = &reader["rowmill_".len()..];
    let key_path = team.path("signing");
    team.done(&["key", "new", &key_path]);
    let key = std::fs::read_to_string(&key_path).unwrap();
    let password = "pa55-of-the-broker";
    let secrets = [secret, key.trim(), password];
    let hides = |what: &str, text: &str| {
        for secret in secrets {
            assert!(!text.contains(secret), "{what} shows a secret: {text}");
        }
    };
    let url = "amqp://somebody:pa55-of-the-broker@127.0.0.1:1/v";
    let quiet = |args: &[&str]| {
        let mut command = team.command(Some(&reader), args);
        command
            .env("AMQP_URL", url)
            .env("ROWMILL_BROKER", url)
            .env("ROWMILL_LOG", "trace")
            .env("ROWMILL_SIGNING_KEY_FILE", &key_path);
        command
    };
    let help = rowmill().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:").nth(1).unwrap();
    let names = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    let mut helped = 0;
    for name in names.filter(|&name| name != "help") {
        let output = quiet(&[name, "--help"]).output().unwrap();
        assert!(output.status.success(), "{name}");
        hides(name, &String::from_utf8_lossy(&output.stdout));
        helped += 1;
    }
    assert!(helped > 15, "{help}");

    let csv = team.stage.file("in.csv", b"a\n1\n");
    let csv = csv.to_str().unwrap();
    for args in [
        vec!["publish", csv, "--connect-timeout", "1"],
        vec!["publish", csv, "--broker", url],
        vec!["jobs"],
        vec!["run", csv],
    ] {
        let output = quiet(&args).output().unwrap();
        hides(&args.join(" "), &stderr(&output));
        hides(&args.join(" "), &String::from_utf8_lossy(&output.stdout));
    }

    let tokens = team.path("tokens");
    let master = Process::start(quiet(&["master", "--tokens", &tokens]).args([
        "--listen",
        team.stage.address(),
        "--data",
        &team.path("master"),
        "--tls-cert",
        &team.path("certs/master.pem"),
        "--tls-key",
        &team.path("certs/master.key"),
    ]));
    let worker = Process::start(&mut quiet(&["worker"]));
    let mut said = master.wait_for("listening at https://");
    said += &worker.wait_for("trying again");
    let output = quiet(&["jobs"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    hides("jobs", &stderr(&output));
    for process in [&master, &worker] {
        let arguments = std::fs::read(format!("/proc/{}/cmdline", process.id())).unwrap();
        hides("the arguments", &String::from_utf8_lossy(&arguments));
    }
    for process in [master, worker] {
        process.signal(Signal::TERM);
        said += &process.said();
    }
    assert!(said.contains("TRACE") || said.contains("DEBUG"), "{said}");
    hides("the logs", &said);
}

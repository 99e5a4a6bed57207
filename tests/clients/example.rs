//! A program of `examples/clients/`: how it is made ready in a folder of its own, and the process that it is.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use tempfile::TempDir;

use crate::{process::PATIENCE, skip};

/// How one of them is made ready and started, in the words of its README.
pub(crate) struct Recipe {
    /// Where it is below `examples/clients/`.
    folder: &'static str,
    /// Makes a copy of it ready, and gives the command that starts it; nothing, said loudly, without what it needs.
    prepare: fn(&Path) -> Option<Command>,
}

pub(crate) const PYTHON: Recipe = Recipe { folder: "python", prepare: python };
pub(crate) const GRPC_JS: Recipe = Recipe { folder: "node", prepare: |copy| node(copy, "grpc-js") };
pub(crate) const NODE_CONNECT: Recipe = Recipe { folder: "node", prepare: |copy| node(copy, "connect") };
pub(crate) const GO: Recipe = Recipe { folder: "go", prepare: go };

impl Recipe {
    pub(crate) fn readme(&self) -> String {
        fs::read_to_string(examples().join(self.folder).join("README.md")).unwrap()
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients")
}

fn python(copy: &Path) -> Option<Command> {
    let (python, packages) = (skip::tool("python3")?, skip::installed("clients/python")?);
    let mut generate = Command::new(&python);
    generate.args(["-m", "grpc_tools.protoc", "-I", "proto", "--python_out=.", "--grpc_python_out=."]);
    let protos = std::fs::read_dir(copy.join("proto/keyward/v1")).unwrap();
    generate.args(
        protos.map(|file| file.unwrap().path()).map(|file| file.strip_prefix(copy).unwrap().to_owned()),
    );
    run(generate.env("PYTHONPATH", &packages).current_dir(copy));
    let mut start = Command::new(python);
    start.arg("server.py").env("PYTHONPATH", packages);
    Some(start)
}

fn node(copy: &Path, client: &str) -> Option<Command> {
    let (node, packages) = (skip::tool("node")?, skip::installed("clients/node/node_modules")?);
    std::os::unix::fs::symlink(packages, copy.join("node_modules")).unwrap();
    if client == "connect" {
        run(Command::new(skip::tool("buf")?).arg("generate").current_dir(copy));
    }
    let mut start = Command::new(node);
    start.args(["server.js", client]);
    Some(start)
}

fn go(copy: &Path) -> Option<Command> {
    let go = skip::rare_tool("go")?;
    let (_, _) = (skip::rare_tool("protoc-gen-go")?, skip::rare_tool("protoc-gen-go-grpc")?);
    run(Command::new(skip::tool("buf")?).arg("generate").current_dir(copy));
    if !Command::new(&go).args(["mod", "tidy"]).current_dir(copy).output().unwrap().status.success() {
        skip::say("SKIPPED: go is there, and the modules of examples/clients/go/go.mod cannot be had");
        return None;
    }
    run(Command::new(go).args(["build", "-o", "server", "."]).current_dir(copy));
    Some(Command::new(copy.join("server")))
}

/// Runs a step to its end, which must be a good one.
fn run(step: &mut Command) {
    let ended = step.output().unwrap();
    assert!(ended.status.success(), "{step:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// A running one; killed when dropped.
pub(crate) struct Example {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    _files: TempDir,
}

impl Example {
    /// Starts one on a free port, in front of the Keyward at this address. `None`, said loudly, without what it needs.
    pub(crate) fn start(recipe: &Recipe, keyward: SocketAddr, settings: &[(&str, &str)]) -> Option<Self> {
        let files = tempfile::tempdir().unwrap();
        copy(&examples().join(recipe.folder), files.path());
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("proto"), &files.path().join("proto"));
        let mut command = (recipe.prepare)(files.path())?;
        command.current_dir(files.path()).envs(settings.iter().copied());
        command.env("KEYWARD_ADDRESS", keyward.to_string()).env("PORT", "0");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (listening, seen) = mpsc::channel();
        let readers = vec![
            keep(child.stdout.take().unwrap(), &log, &listening),
            keep(child.stderr.take().unwrap(), &log, &listening),
        ];
        let Ok(address) = seen.recv_timeout(PATIENCE) else {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not listen: {}", log.lock().unwrap());
        };
        Some(Self { address, child, log, readers, _files: files })
    }

    /// Ends it, and gives all that it has written.
    pub(crate) fn stop(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // One that has ended and was waited for is not signalled again.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry: PathBuf = entry.unwrap().path();
        let place = to.join(entry.file_name().unwrap());
        // What somebody who tried the example has left there is made anew.
        if entry.is_dir() && !entry.ends_with("node_modules") {
            copy(&entry, &place);
        } else if entry.is_file() {
            fs::copy(&entry, place).unwrap();
        }
    }
}

fn keep(
    from: impl Read + Send + 'static,
    log: &Arc<Mutex<String>>,
    listening: &mpsc::Sender<SocketAddr>,
) -> JoinHandle<()> {
    let (log, listening) = (Arc::clone(log), listening.clone());
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let line = line.unwrap();
            if let Some(address) = line.strip_prefix("listening on ") {
                // Nobody waits for it any more if the test has failed.
                let _nobody = listening.send(address.parse().unwrap());
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    })
}

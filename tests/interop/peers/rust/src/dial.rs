// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

//! The dialer.

use std::process::exit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::options::{CLOSE_LIMIT, CONNECT_LIMIT, FAREWELL, Options, TASK_LIMIT, TOTAL_LIMIT};
use crate::output::{AnyError, print_line, reason};
use crate::serve::serve;
use crate::stack::{Behaviour, BehaviourEvent, describe, make_swarm};
use crate::tasks::{self, Dialer, Told};

/// The one line of a dialer. It is printed once, either when all tasks are
/// done or when the time is over.
struct Outcome {
    line: Value,
}

impl Outcome {
    fn new(options: &Options) -> Self {
        Self {
            line: json!({
                "ok": false,
                "remotePeer": null,
                "security": null,
                "muxer": null,
                "early": null,
                "late": options.late,
                "results": {},
                "rounds": 0,
                "error": null,
            }),
        }
    }

    /// Note what went wrong first.
    fn fail(&mut self, text: String) {
        if self.line["error"].is_null() {
            self.line["error"] = text.into();
        }
    }

    fn exit(&mut self) -> ! {
        let good = self.line["error"].is_null();
        self.line["ok"] = good.into();
        print_line(&self.line);
        exit(if good { 0 } else { 1 })
    }
}

/// Connect, do the tasks and print what they told.
pub async fn dial(target: &str, options: Options) -> Result<(), AnyError> {
    let outcome = Arc::new(Mutex::new(Outcome::new(&options)));
    let overdue = outcome.clone();
    let extra: Duration = options
        .tasks
        .iter()
        .map(|step| step.limit() - TASK_LIMIT)
        .sum();
    let limit = TOTAL_LIMIT + options.repeat + extra;
    tokio::spawn(async move {
        sleep(limit).await;
        let mut outcome = overdue.lock().await;
        outcome.fail(format!("not done within {}s", limit.as_secs()));
        outcome.exit();
    });
    let connected = timeout(CONNECT_LIMIT, connect(target, &options)).await;
    let mut connected = match connected.unwrap_or_else(|late| Err(late.into())) {
        Ok(connected) => connected,
        Err(error) => {
            let mut outcome = outcome.lock().await;
            outcome.fail(reason(error.as_ref()));
            outcome.exit();
        }
    };
    {
        let mut outcome = outcome.lock().await;
        outcome.line["remotePeer"] = connected.remote.to_string().into();
        for (name, fact) in describe(&options).as_object().into_iter().flatten() {
            outcome.line[name] = fact.clone();
        }
    }
    let begin = Instant::now();
    let (mut rounds, mut failed) = (0, false);
    while rounds == 0 || (!failed && begin.elapsed() < options.repeat) {
        for step in &options.tasks {
            let mut facts = json!({});
            connected.dialer.size = step.number;
            let run = timeout(
                step.limit(),
                tasks::run(&step.name, &mut connected.dialer, &mut facts),
            )
            .await;
            let done =
                run.unwrap_or_else(|_| Err(format!("not done within {:?}", step.limit()).into()));
            let mut outcome = outcome.lock().await;
            if let Err(error) = done {
                let text = reason(error.as_ref());
                outcome.fail(format!("{}: {text}", step.label));
                facts["error"] = text.into();
                failed = true;
            }
            outcome.line["results"][&step.label] = facts;
        }
        rounds += 1;
    }
    outcome.lock().await.line["rounds"] = rounds.into();
    let (closed, gone) = oneshot::channel();
    if connected.close.send(closed).is_ok() {
        let _ = timeout(CLOSE_LIMIT, gone).await;
    }
    if options.transport == "quic" {
        // It counts as closed before the remote has been told.
        sleep(FAREWELL).await;
    }
    outcome.lock().await.exit();
}

struct Connected {
    remote: PeerId,
    dialer: Dialer,
    close: oneshot::Sender<oneshot::Sender<()>>,
}

/// Make the one connection that all tasks use.
async fn connect(target: &str, options: &Options) -> Result<Connected, AnyError> {
    let target: Multiaddr = target.parse()?;
    let Some(Protocol::P2p(wanted)) = target.iter().last() else {
        return Err("the multiaddr does not end in /p2p/ and a peer id".into());
    };
    let (mut swarm, incoming) = make_swarm(options)?;
    tokio::spawn(serve(incoming, |_| {}));
    swarm.dial(DialOpts::from(target))?;
    let (remote, id) = loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } if peer_id == wanted => {
                break (peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.into()),
            _ => {}
        }
    };
    let connection = swarm
        .behaviour()
        .streams
        .connection(id)
        .ok_or("it was closed at once")?;
    let (tell, told) = mpsc::unbounded_channel();
    let (close, closing) = oneshot::channel();
    tokio::spawn(drive(swarm, id, tell, closing));
    let dialer = Dialer::new(connection, told);
    Ok(Connected {
        remote,
        dialer,
        close,
    })
}

/// Keep a swarm going, tell what it learns, and close its connection at last.
async fn drive(
    mut swarm: Swarm<Behaviour>,
    id: ConnectionId,
    tell: mpsc::UnboundedSender<Told>,
    mut closing: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let mut closed = None;
    loop {
        let event = tokio::select! {
            event = swarm.select_next_some() => event,
            Ok(gone) = &mut closing, if closed.is_none() => {
                swarm.close_connection(id);
                closed = Some(gone);
                continue;
            }
        };
        let told = match event {
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => Told::Ping(event.result),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                info,
                ..
            })) => Told::Identified(Box::new(info)),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Error {
                error,
                ..
            })) => Told::Unidentified(error.to_string()),
            SwarmEvent::ConnectionClosed { .. } => {
                if let Some(gone) = closed.take() {
                    let _ = gone.send(());
                }
                return;
            }
            _ => continue,
        };
        let _ = tell.send(told);
    }
}

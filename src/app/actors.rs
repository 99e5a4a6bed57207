//! The actors of the configuration file while it is served: read anew at SIGHUP.

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use crate::{config::Config, index::Index, shutdown::HangUps};

/// Reads the file anew whenever `asked`, for as long as the process serves. A file that is wrong leaves what was in force; of one
/// that is not, the actors alone are taken.
pub(super) async fn tend(file: Option<PathBuf>, index: Arc<Index>, mut asked: HangUps) -> Infallible {
    loop {
        asked.next().await;
        let Some(path) = file.clone() else { continue };
        let read = tokio::task::spawn_blocking(move || Config::load(Some(&path))).await;
        match read {
            Ok(Ok(config)) => {
                let count = config.actors.count();
                index.put_actors(Arc::new(config.actors));
                tracing::info!(
                    actors = count,
                    "the configuration file was read anew: its actors are in force; its other settings wait for a restart"
                );
            }
            Ok(Err(why)) => {
                tracing::error!(error = %why, "the configuration file is refused; the actors in force stay");
            }
            Err(why) => tracing::error!(error = %why, "the configuration file could not be read anew"),
        }
    }
}

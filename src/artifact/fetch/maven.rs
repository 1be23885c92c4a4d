//! Maven's artifacts, through `mvn`. Starting it takes seconds, so everything that is wanted goes into one call: a project
//! of projects, one for each recipe, each with its own outcome.

use super::{Fetcher, files_in};
use crate::artifact::ArtifactError;
use crate::artifact::checksum::{self, Algorithm};
use crate::artifact::client::{Call, ClientError};
use crate::artifact::recipe::{Coordinate, Kind, Recipe};
use crate::lock::LockedFile;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders below a repository that are looked into for one artifact.
const MAX_DEPTH: usize = 24;

impl Fetcher<'_> {
    /// Fetches several recipes at once; the outcomes are in their order.
    pub(in crate::artifact) async fn maven(&self, recipes: &[&Recipe]) -> Vec<Result<Vec<LockedFile>, ArtifactError>> {
        let work = match self.cache.workplace().and_then(|work| projects(work.path(), recipes).map(|()| work)) {
            Ok(work) => work,
            Err(error) => {
                let mut outcomes: Vec<_> = recipes.iter().skip(1).map(|_| Err(ArtifactError::Interrupted)).collect();
                outcomes.insert(0, Err(error));
                return outcomes;
            }
        };
        // -C: a download whose checksum is wrong is a failure. -fae: one that fails does not stop the others.
        let outcome =
            Call::new(&self.clients.mvn, "maven (the `mvn` program) and a JDK", work.path(), self.clients.limit)
                .args(["--batch-mode", "--quiet", "--strict-checksums", "--fail-at-end", "-Dstyle.color=never"])
                .args(["--file", "pom.xml", "initialize"])
                .run()
                .await;
        let whole = match outcome {
            Ok(()) => None,
            Err(ClientError::Failed { program, status, last }) => Some((program, status, last)),
            Err(error) => {
                let error = Arc::new(error);
                return recipes.iter().map(|_| Err(ArtifactError::Client(Arc::clone(&error)))).collect();
            }
        };
        let repository = local_repository();
        let collect = |(index, recipe): (usize, &&Recipe)| {
            let folder = work.path().join(format!("p{index}/out"));
            let failed = whole.as_ref().and_then(|(program, status, last)| {
                let last = about(index, last)?;
                Some(ClientError::Failed { program: program.clone(), status: *status, last })
            });
            match failed {
                Some(error) => Err(error.into()),
                None if folder.is_dir() => self.collect(recipe, &folder, repository.as_deref()),
                None => Err(match &whole {
                    Some((program, status, last)) => {
                        let (program, status, last) = (program.clone(), *status, last.clone());
                        ClientError::Failed { program, status, last }.into()
                    }
                    None => unexpected(recipe, "nothing"),
                }),
            }
        };
        recipes.iter().enumerate().map(collect).collect()
    }

    fn collect(
        &self,
        recipe: &Recipe,
        folder: &Path,
        repository: Option<&Path>,
    ) -> Result<Vec<LockedFile>, ArtifactError> {
        let Kind::Maven { coordinates, with_dependencies } = &recipe.kind else { return Ok(Vec::new()) };
        let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
        if *with_dependencies {
            jars(folder, Path::new(""), MAX_DEPTH, &mut found)?;
        } else {
            for path in files_in(folder)? {
                let of = |c: &&Coordinate| path.file_name().is_some_and(|name| *name == *c.file_name());
                let coordinate = coordinates.iter().find(of).ok_or_else(|| unexpected(recipe, "another file"))?;
                found.push((path.clone(), coordinate.place()));
            }
        }
        let names: BTreeSet<_> = found.iter().filter_map(|(path, _)| path.file_name()).collect();
        if found.is_empty() || (!with_dependencies && found.len() != coordinates.len()) {
            return Err(unexpected(recipe, &format!("{} files", found.len())));
        }
        if names.len() != found.len() {
            return Err(unexpected(recipe, "two files of the same name"));
        }
        let mut files = Vec::new();
        for (path, place) in &found {
            if let Some(repository) = repository {
                check_published(path, &repository.join(place))?;
            }
            files.push(self.admit(path)?);
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

/// Compares a fetched file with the checksum that Maven keeps beside its own copy: the one that the registry published.
fn check_published(path: &Path, in_repository: &Path) -> Result<(), ArtifactError> {
    let mut name = in_repository.as_os_str().to_owned();
    name.push(Algorithm::Sha1.extension());
    let sums = PathBuf::from(name);
    match fs::read_to_string(&sums).ok().and_then(|text| checksum::published(&text, Algorithm::Sha1)) {
        Some(published) => checksum::compare(path, Algorithm::Sha1, &published, &sums.display().to_string()),
        None => Ok(()),
    }
}

fn unexpected(recipe: &Recipe, found: &str) -> ArtifactError {
    ArtifactError::Unexpected { client: "mvn", expected: recipe.to_string(), found: found.to_owned() }
}

/// What was said about one of the projects: the sentence, without what is the same for all.
fn about(index: usize, lines: &[String]) -> Option<Vec<String>> {
    let mark = format!(" on project p{index}: ");
    let lines: Vec<String> =
        lines.iter().filter_map(|line| line.split_once(&mark).map(|(_, said)| said.to_owned())).take(3).collect();
    (!lines.is_empty()).then_some(lines)
}

/// The files below a folder in the layout of a repository, with their places in it.
fn jars(folder: &Path, place: &Path, depth: usize, found: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), ArtifactError> {
    let metadata =
        |path: &Path| path.extension().is_some_and(|end| end == "xml" || end == "pom" || end == "repositories");
    for entry in fs::read_dir(folder).map_err(ArtifactError::disk("read", folder))? {
        let entry = entry.map_err(ArtifactError::disk("read", folder))?;
        let place = place.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => jars(&entry.path(), &place, depth - 1, found)?,
            Ok(kind) if kind.is_file() && !metadata(&place) => found.push((entry.path(), place)),
            _ => {}
        }
    }
    Ok(())
}

/// Where Maven keeps its copies; `None` when it can't be told.
fn local_repository() -> Option<PathBuf> {
    let home = PathBuf::from(std::env::var_os("HOME")?).join(".m2");
    let settings = fs::read_to_string(home.join("settings.xml")).unwrap_or_default();
    let said = settings.split_once("<localRepository>").and_then(|(_, rest)| rest.split_once("</localRepository>"));
    match said {
        Some((path, _)) if path.contains("${") => None,
        Some((path, _)) => Some(PathBuf::from(path.trim())),
        None => Some(home.join("repository")),
    }
}

/// Writes the projects. All texts in them were checked when the recipe was rendered: none needs escaping.
fn projects(folder: &Path, recipes: &[&Recipe]) -> Result<(), ArtifactError> {
    let write = |path: PathBuf, text: &str| fs::write(&path, text).map_err(ArtifactError::disk("write", &path));
    let modules: Vec<_> = (0..recipes.len()).map(|index| format!("<module>p{index}</module>")).collect();
    write(folder.join("pom.xml"), &pom("all", &format!("<modules>{}</modules>", modules.concat())))?;
    for (index, recipe) in recipes.iter().enumerate() {
        let Kind::Maven { coordinates, with_dependencies } = &recipe.kind else { continue };
        let project = folder.join(format!("p{index}"));
        fs::create_dir(&project).map_err(ArtifactError::disk("make the folder", &project))?;
        let body = if *with_dependencies { dependencies(coordinates) } else { copies(coordinates) };
        write(project.join("pom.xml"), &pom(&format!("p{index}"), &body))?;
    }
    Ok(())
}

fn pom(name: &str, body: &str) -> String {
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>{name}</artifactId>\
         <version>1</version><packaging>pom</packaging>{body}</project>\n"
    )
}

fn dependencies(coordinates: &[Coordinate]) -> String {
    let all: Vec<_> = coordinates.iter().map(|c| format!("<dependency>{}</dependency>", c.xml())).collect();
    let goal = plugin(
        "copy-dependencies",
        "<includeScope>runtime</includeScope><useRepositoryLayout>true</useRepositoryLayout>",
    );
    format!("<dependencies>{}</dependencies>{goal}", all.concat())
}

fn copies(coordinates: &[Coordinate]) -> String {
    let items: Vec<_> = coordinates.iter().map(|c| format!("<artifactItem>{}</artifactItem>", c.xml())).collect();
    plugin("copy", &format!("<artifactItems>{}</artifactItems><useBaseVersion>true</useBaseVersion>", items.concat()))
}

fn plugin(goal: &str, configuration: &str) -> String {
    format!(
        "<build><plugins><plugin><groupId>org.apache.maven.plugins</groupId>\
         <artifactId>maven-dependency-plugin</artifactId><executions><execution><id>fetch</id>\
         <phase>initialize</phase><goals><goal>{goal}</goal></goals><configuration>{configuration}\
         <outputDirectory>${{project.basedir}}/out</outputDirectory></configuration></execution></executions>\
         </plugin></plugins></build>"
    )
}

impl Coordinate {
    fn xml(&self) -> String {
        let classifier = self.classifier.as_ref().map(|c| format!("<classifier>{c}</classifier>")).unwrap_or_default();
        format!(
            "<groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version><type>{}</type>{classifier}",
            self.group, self.name, self.version, self.extension
        )
    }

    fn file_name(&self) -> String {
        let classifier = self.classifier.as_ref().map(|c| format!("-{c}")).unwrap_or_default();
        format!("{}-{}{classifier}.{}", self.name, self.version, self.extension)
    }

    /// Where a repository keeps it.
    fn place(&self) -> PathBuf {
        PathBuf::from(self.group.replace('.', "/")).join(&self.name).join(&self.version).join(self.file_name())
    }
}

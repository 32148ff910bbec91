"""GitOps engines for tests: Argo CD and Flux built from their modules, a Git server, and the files for both that are shipped."""

"""Where snapshots, findings and verdicts go: console, files, TensorBoard, webhook, Weights & Biases."""

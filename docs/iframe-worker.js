// Browsers start no workers for pages on the disk: a hidden frame does the work.
class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    frame.srcdoc = "<!doctype html>";
    this.inner = new Promise((done) => {
      frame.onload = () => {
        const inner = frame.contentWindow;
        inner.postMessage = (data) =>
          this.dispatchEvent(new MessageEvent("message", { data }));
        const script = inner.document.createElement("script");
        script.src = new URL(url, location);
        script.onload = () => done(inner);
        inner.document.body.append(script);
      };
    });
    document.body.append(frame);
  }

  postMessage(data) {
    this.inner.then((inner) =>
      inner.dispatchEvent(new inner.MessageEvent("message", { data })),
    );
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;

extends RefCounted
## The control channel, from the driver's side, by the page's own fetch: it does not wait for frames.

const _PAGE := """
window.godraControl = (url, command) => {
	const waiting = [];
	let sending = false;
	const send = async () => {
		sending = true;
		while (waiting.length > 0) {
			const body = `[${waiting.splice(0).join(",")}]`;
			await fetch(url, { method: "POST", body });
		}
		sending = false;
	};
	window.godraTell = (report) => {
		waiting.push(report);
		if (!sending) send();
	};
	window.godraIsSent = () => !sending;
	const ask = async () => {
		for (;;) {
			const response = await fetch(url);
			if (response.status === 200) command(await response.text());
		}
	};
	ask();
};
"""

var _window: JavaScriptObject
var _callback: JavaScriptObject
var _take: Callable


## `take` is func(command: Dictionary).
func start(take: Callable) -> void:
	_take = take
	JavaScriptBridge.eval(_PAGE, true)
	_window = JavaScriptBridge.get_interface("window")
	var url: String = JavaScriptBridge.eval("new URLSearchParams(location.search).get('control')")
	_callback = JavaScriptBridge.create_callback(_came)
	_window.godraControl(url, _callback)


func tell(report: Dictionary) -> void:
	_window.godraTell(JSON.stringify(report, "", false, true))


func is_sent() -> bool:
	return _window.godraIsSent()


func _came(arguments: Array) -> void:
	_take.call(JSON.parse_string(arguments[0]))

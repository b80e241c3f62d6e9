extends RefCounted
## Lets the page see what a browser tells it.

const _SCRIPTS := {
	"online": "dispatchEvent(new Event('online'))",
	"offline": "dispatchEvent(new Event('offline'))",
	"hidden": "godraShow('hidden')",
	"shown": "godraShow('visible')",
}
const _SHOW := """
window.godraShow = (state) => {
	Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
	document.dispatchEvent(new Event('visibilitychange'));
};
"""


static func signal_page(signal_name: String) -> void:
	JavaScriptBridge.eval(_SHOW, true)
	JavaScriptBridge.eval(_SCRIPTS[signal_name], true)
